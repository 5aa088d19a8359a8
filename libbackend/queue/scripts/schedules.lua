-- Schedules, the next to run first. ARGV: the id of one ('' for many), from, how many.
-- Returns for each: id, time of its present run, its hash, where the job of that run is ('' nowhere,
-- delayed, ready, active, ended), the job's options.
local call, base = redis.call, KEYS[1]

local function place_of(id)
  if call('EXISTS', base .. id) == 0 then
    return ''
  elseif call('ZSCORE', base .. 'delayed', id) then
    return 'delayed'
  elseif call('ZSCORE', base .. 'completed', id) or call('ZSCORE', base .. 'failed', id) then
    return 'ended'
  end
  return call('LPOS', base .. 'active', id) and 'active' or 'ready'
end

local known
if ARGV[1] ~= '' then
  local score = call('ZSCORE', base .. 'repeat', ARGV[1])
  known = score and {ARGV[1], score} or {}
else
  known = call('ZRANGE', base .. 'repeat', ARGV[2], ARGV[2] + ARGV[3] - 1, 'WITHSCORES')
end
local out = {}
for i = 1, #known, 2 do
  local run = string.format('%.0f', tonumber(known[i + 1]))
  local id = 'repeat:' .. known[i] .. ':' .. run
  local record = call('HGETALL', base .. 'repeat:' .. known[i])
  out[#out + 1] = {known[i], run, record, place_of(id), call('HGET', base .. id, 'opts') or '{}'}
end
return out
