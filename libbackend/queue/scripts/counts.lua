-- How many jobs are where. See _counts.
local call, base = redis.call, KEYS[1]
--@use _counts
return counts(base)
