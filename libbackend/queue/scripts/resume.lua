-- Workers take jobs again. What BullMQ 5 and older had put aside in "paused" comes first.
--@use _queue
call('HDEL', base .. 'meta', 'paused')
local aside = base .. 'paused'
if call('EXISTS', aside) == 1 then
  if call('EXISTS', base .. 'wait') == 0 then
    call('RENAME', aside, base .. 'wait')
  else
    local ids = call('LRANGE', aside, 0, -1)
    for i = 1, #ids, 1000 do
      call('RPUSH', base .. 'wait', unpack(ids, i, math.min(i + 999, #ids)))
    end
    call('DEL', aside)
  end
end
if call('EXISTS', base .. 'wait', base .. 'prioritized') ~= 0 then
  wake(base)
else
  wake_when_due(base)
end
emit(base, 'resumed')
return 0
