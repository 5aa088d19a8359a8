-- Removes jobs of a state that are in it since before a time. ARGV: now, state, that time, how many at
-- most, how many to pass over (of lists and sets that are not ordered by time). Returns how many were
-- removed and how many were looked at.
--@use _queue
--@use _place
--@use _remove
--@use _parent
--@use _family
--@use _discard
local now, state, before, room, skip = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local at = base .. state
local ids
local ordered = state == 'completed' or state == 'failed'
if ordered then
  ids = call('ZRANGEBYSCORE', at, '-inf', before, 'LIMIT', 0, room)
elseif state == 'wait' or state == 'active' or state == 'paused' then
  ids = call('LRANGE', at, -skip - 1000, -skip - 1)
else
  ids = call('ZRANGE', at, skip, skip + 999)
end
local removed = 0
for i = #ids, 1, -1 do
  local id, key = ids[i], base .. ids[i]
  local old = ordered
  if not ordered and removed < room then
    local times = call('HMGET', key, 'processedOn', 'timestamp')
    old = number_of(times[1] or times[2]) <= before
  end
  if old and call('EXISTS', key .. ':lock') == 0 and not is_scheduled(base, id, key) then
    if call('TYPE', at).ok == 'list' then
      call('LREM', at, -1, id)
    else
      call('ZREM', at, id)
    end
    discard(base, id, now)
    removed = removed + 1
  end
end
if removed ~= 0 then
  emit(base, 'cleaned', 'count', removed)
end
return {removed, #ids}
