-- Gives a job another priority. ARGV: id, priority, 1 for in front of its priority. Returns -1: no
-- such job.
--@use _queue
--@use _place
local id, priority, front = ARGV[1], tonumber(ARGV[2]), ARGV[3] == '1'
local key = base .. id
if call('EXISTS', key) == 0 then
  return -1
end
if call('ZREM', base .. 'prioritized', id) == 1 or call('LREM', base .. 'wait', 1, id) == 1 then
  make_ready(base, id, priority, front)
  wake(base)
end
call('HSET', key, 'priority', priority)
return 0
