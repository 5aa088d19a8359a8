-- Takes jobs back whose worker has died. ARGV: now, how often to look, how often a job may be lost.
-- Returns how many.
--@use _queue
local now, most = ARGV[1], tonumber(ARGV[3])
local active = base .. 'active'
if not call('SET', base .. 'stalled-check', now, 'PX', ARGV[2], 'NX') then
  return 0
end
local suspects = call('SMEMBERS', base .. 'stalled')
call('DEL', base .. 'stalled')
local found = 0
for i = 1, #suspects do
  local id = suspects[i]
  local key = base .. id
  if call('EXISTS', key .. ':lock') == 0 and call('LREM', active, 1, id) == 1 and call('EXISTS', key) == 1 then
    local times = call('HINCRBY', key, 'stc', 1)
    if times > most then
      local scheduler = call('HGET', key, 'rjk')
      if not scheduler or not call('ZSCORE', base .. 'repeat', scheduler) then
        call('HSET', key, 'defa', 'job stalled more than allowable limit')
      end
    end
    call('RPUSH', base .. 'wait', id)
    wake(base)
    emit(base, 'waiting', 'jobId', id, 'prev', 'active')
    emit(base, 'stalled', 'jobId', id)
    found = found + 1
  end
end
local running = call('LRANGE', active, 0, -1)
for i = 1, #running, 1000 do
  call('SADD', base .. 'stalled', unpack(running, i, math.min(i + 999, #running)))
end
trim_events(base)
return found
