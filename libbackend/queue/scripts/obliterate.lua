-- Removes a paused queue, some 1,000 jobs at a time. ARGV: 1 also while jobs are being run. Returns 1
-- while there are more; -1: it is not paused; -2: jobs are being run.
--@use _queue
--@use _remove
if call('HEXISTS', base .. 'meta', 'paused') == 0 then
  return -1
end
if ARGV[1] ~= '1' and call('EXISTS', base .. 'active') == 1 then
  return -2
end
local room = 1000
for _, name in ipairs({'active', 'wait', 'paused'}) do
  if room > 0 then
    local ids = call('LRANGE', base .. name, 0, room - 1)
    for i = 1, #ids do
      delete_job(base, ids[i])
    end
    call('LTRIM', base .. name, #ids, -1)
    room = room - #ids
  end
end
for _, name in ipairs({'prioritized', 'delayed', 'completed', 'failed', 'waiting-children'}) do
  if room > 0 then
    local ids = call('ZRANGE', base .. name, 0, room - 1)
    for i = 1, #ids do
      local dedup_id = call('HGET', base .. ids[i], 'deid')
      if dedup_id then
        call('DEL', base .. 'de:' .. dedup_id, base .. 'dn:' .. dedup_id)
      end
      delete_job(base, ids[i])
    end
    if #ids ~= 0 then
      call('ZREMRANGEBYRANK', base .. name, 0, #ids - 1)
    end
    room = room - #ids
  end
end
if room <= 0 then
  return 1
end
local schedulers = call('ZRANGE', base .. 'repeat', 0, -1)
for i = 1, #schedulers do
  call('DEL', base .. 'repeat:' .. schedulers[i])
end
call('DEL', base .. 'repeat', base .. 'id', base .. 'pc', base .. 'meta', base .. 'marker', base .. 'stalled',
  base .. 'stalled-check', base .. 'events', base .. 'limiter', base .. 'metrics:completed',
  base .. 'metrics:failed', base .. 'metrics:completed:data', base .. 'metrics:failed:data')
return 0
