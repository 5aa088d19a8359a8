-- Makes jobs of a set ready, the first ones first. ARGV: the set, how many at most. Returns how many.
--@use _queue
local set = ARGV[1]
local ids = call('ZRANGE', base .. set, 0, tonumber(ARGV[2]) - 1)
for i = 1, #ids do
  local id, key = ids[i], base .. ids[i]
  if call('EXISTS', key) == 1 then
    if set == 'failed' then
      call('HDEL', key, 'finishedOn', 'processedOn', 'failedReason')
    elseif set == 'completed' then
      call('HDEL', key, 'finishedOn', 'processedOn', 'returnvalue')
    else
      call('HSET', key, 'delay', 0)
    end
    call('LPUSH', base .. 'wait', id)
    emit(base, 'waiting', 'jobId', id, 'prev', set)
  end
end
if #ids ~= 0 then
  call('ZREMRANGEBYRANK', base .. set, 0, #ids - 1)
  wake(base)
  trim_events(base)
end
return #ids
