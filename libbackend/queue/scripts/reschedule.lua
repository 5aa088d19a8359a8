-- Delays a delayed job anew. ARGV: now, id, delay. Returns -1: no such job; -3: it is not delayed.
--@use _queue
--@use _place
local now, id, delay = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])
local key = base .. id
if call('EXISTS', key) == 0 then
  return -1
end
if call('ZREM', base .. 'delayed', id) == 0 then
  return -3
end
call('HSET', key, 'delay', delay)
make_delayed(base, id, now + delay)
emit(base, 'delayed', 'jobId', id, 'delay', now + delay)
wake_when_due(base)
return 0
