-- Runs a job that has ended once more. ARGV: now, id, and 1 to forget its former attempts. Returns
-- -1: no such job; -3: it has not ended.
--@use _queue
--@use _place
--@use _family
local id = ARGV[2]
local key = base .. id
if call('EXISTS', key) == 0 then
  return -1
end
local prev
if call('ZREM', base .. 'failed', id) == 1 then
  prev = 'failed'
elseif call('ZREM', base .. 'completed', id) == 1 then
  prev = 'completed'
else
  return -3
end
call('HDEL', key, 'finishedOn', 'processedOn', prev == 'failed' and 'failedReason' or 'returnvalue')
if ARGV[3] == '1' then
  call('HDEL', key, 'atm', 'ats')
end
local job = call('HMGET', key, 'priority', 'opts')
local priority = number_of(job[1])
local ok, opts = pcall(cjson.decode, job[2] or '{}')
make_ready(base, id, priority, priority == 0 and ok and type(opts) == 'table' and opts.lifo == true)
local parent = parent_of(key)
if parent and call('EXISTS', parent.key) == 1 then
  local known = call('HDEL', parent.key .. ':processed', key) + call('HDEL', parent.key .. ':failed', key) +
    call('ZREM', parent.key .. ':unsuccessful', key)
  if known ~= 0 then
    call('SADD', parent.key .. ':dependencies', key)
  end
end
emit(base, 'waiting', 'jobId', id, 'prev', prev)
wake(base)
return 0
