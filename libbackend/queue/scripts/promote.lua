-- A delayed job becomes ready. ARGV: id. Returns -1: no such job; -3: it is not delayed.
--@use _queue
--@use _place
local id = ARGV[1]
local key = base .. id
if call('EXISTS', key) == 0 then
  return -1
end
if call('ZREM', base .. 'delayed', id) == 0 then
  return -3
end
make_ready(base, id, number_of(call('HGET', key, 'priority')))
call('HSET', key, 'delay', 0)
emit(base, 'waiting', 'jobId', id, 'prev', 'delayed')
wake(base)
return 0
