-- Removes jobs that wait to be run. ARGV: now, 1 for the delayed ones too. Does some 1,000 of them;
-- returns 1 while there are more.
--@use _queue
--@use _place
--@use _remove
--@use _parent
--@use _family
--@use _discard
local now = tonumber(ARGV[1])
local room = 1000
local spared = {}

local function drop(ids)
  for i = 1, #ids do
    if is_scheduled(base, ids[i], base .. ids[i]) then
      spared[#spared + 1] = ids[i]
    else
      discard(base, ids[i], now)
    end
  end
  room = room - #ids
end

for _, list in ipairs({'wait', 'paused'}) do
  while room > 0 and call('EXISTS', base .. list) == 1 do
    local ids = call('LRANGE', base .. list, -room, -1)
    call('LTRIM', base .. list, 0, -#ids - 1)
    drop(ids)
  end
end
if room > 0 then
  local scores, ids = call('ZPOPMIN', base .. 'prioritized', room), {}
  for i = 1, #scores, 2 do
    ids[#ids + 1] = scores[i]
  end
  drop(ids)
end
for i = 1, #spared do
  make_ready(base, spared[i], number_of(call('HGET', base .. spared[i], 'priority')))
end
if ARGV[2] == '1' and room > 0 then
  local ids = call('ZRANGE', base .. 'delayed', 0, -1)
  for i = 1, #ids do
    if room <= 0 then
      return 1
    end
    if not is_scheduled(base, ids[i], base .. ids[i]) then
      call('ZREM', base .. 'delayed', ids[i])
      discard(base, ids[i], now)
      room = room - 1
    end
  end
end
return room <= 0 and #spared == 0 and 1 or 0
