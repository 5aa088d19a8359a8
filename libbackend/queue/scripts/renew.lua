-- Renews the locks of jobs that are being run. ARGV: lock time, and for each: id, token. Returns
-- the places (from 1) of those whose lock is lost.
local call, base = redis.call, KEYS[1]
local lost, held = {}, {}
for i = 2, #ARGV, 2 do
  local lock = base .. ARGV[i] .. ':lock'
  if call('GET', lock) == ARGV[i + 1] then
    call('SET', lock, ARGV[i + 1], 'PX', ARGV[1])
    held[#held + 1] = ARGV[i]
  else
    lost[#lost + 1] = i / 2
  end
end
if #held ~= 0 then
  call('SREM', base .. 'stalled', unpack(held))
end
return lost
