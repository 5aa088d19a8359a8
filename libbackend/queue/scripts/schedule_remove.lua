-- Removes a schedule and the delayed job of its next run. ARGV: schedule. Returns 1; 0: there is none.
--@use _queue
--@use _remove
local name = ARGV[1]
local score = call('ZSCORE', base .. 'repeat', name)
if not score then
  return 0
end
local id = 'repeat:' .. name .. ':' .. string.format('%.0f', tonumber(score))
call('ZREM', base .. 'repeat', name)
call('DEL', base .. 'repeat:' .. name)
if call('ZREM', base .. 'delayed', id) == 1 then
  delete_job(base, id)
  emit(base, 'removed', 'jobId', id, 'prev', 'delayed')
  trim_events(base)
end
return 1
