-- Counts the start of a job of a group. ARGV: group, starts that it may have, in how many ms. Returns
-- 0, or for how long the job has to wait.
local call = redis.call
local key = KEYS[1] .. 'bk:group:' .. ARGV[1]
local used = tonumber(call('GET', key) or 0)
if used >= tonumber(ARGV[2]) then
  local left = call('PTTL', key)
  if left > 0 then
    return left
  end
  call('DEL', key)
end
if call('INCR', key) == 1 then
  call('PEXPIRE', key, ARGV[3])
end
return 0
