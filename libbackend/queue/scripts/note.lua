-- Notes something at a job that exists. ARGV: what, id, value, lines of log to keep. Returns -1: no
-- such job; for a log the number of its lines.
--@use _queue
local what, id, value = ARGV[1], ARGV[2], ARGV[3]
local key = base .. id
if call('EXISTS', key) == 0 then
  return -1
end
if what == 'log' then
  local lines = call('RPUSH', key .. ':logs', value)
  local keep = tonumber(ARGV[4])
  if keep > 0 and lines > keep then
    call('LTRIM', key .. ':logs', -keep, -1)
    lines = keep
  end
  return lines
end
call('HSET', key, what, value)
if what == 'progress' then
  emit(base, 'progress', 'jobId', id, 'data', value)
end
return 0
