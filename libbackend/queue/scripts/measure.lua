-- How many jobs are where (see _counts), and since when that one has been ready which has been so for longest, 0 without one. Asked are those
-- that run next, and the first of the last priority.
local call, base = redis.call, KEYS[1]
--@use _counts
local LEVEL = 4294967296 -- scores of a priority
local oldest

-- Where it was started before, its start is the last that is known of it.
local function ask(id)
  local known = id and call('HMGET', base .. id, 'timestamp', 'processedOn', 'opts')
  local since = known and tonumber(known[1])
  if not since then
    return
  end
  if tonumber(known[2]) then
    since = tonumber(known[2])
  elseif known[3] then
    local is_json, opts = pcall(cjson.decode, known[3])
    since = since + (is_json and type(opts) == 'table' and tonumber(opts.delay) or 0)
  end
  oldest = math.min(oldest or since, since)
end

ask(call('LINDEX', base .. 'wait', -1))
ask(call('LINDEX', base .. 'paused', -1))
ask(call('ZRANGE', base .. 'prioritized', 0, 0)[1])
local last = call('ZRANGE', base .. 'prioritized', -1, -1, 'WITHSCORES')[2]
if last then
  local level = math.floor(tonumber(last) / LEVEL) * LEVEL
  ask(call('ZRANGEBYSCORE', base .. 'prioritized', level, '+inf', 'LIMIT', 0, 1)[1])
end
local out = counts(base)
out[#out + 1] = oldest or 0
return out
