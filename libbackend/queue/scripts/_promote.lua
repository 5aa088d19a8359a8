-- Delayed jobs whose time has come become ready. Returns how many.
local function promote_due(at, now)
  local due = call('ZRANGEBYSCORE', at .. 'delayed', '-inf', (now + 1) * 4096 - 1, 'LIMIT', 0, 1000)
  for i = 1, #due do
    local id, key = due[i], at .. due[i]
    call('ZREM', at .. 'delayed', id)
    if call('EXISTS', key) == 1 then
      make_ready(at, id, number_of(call('HGET', key, 'priority')))
      call('HSET', key, 'delay', 0)
      emit(at, 'waiting', 'jobId', id, 'prev', 'delayed')
    end
  end
  return #due
end
