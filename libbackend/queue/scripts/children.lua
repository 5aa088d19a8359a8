-- A job's children. ARGV: its id. Returns keys and return values of those that have completed, keys
-- and words of those whose failure is ignored, keys of those whose failure is the job's, and keys of
-- those that have not ended.
local call, key = redis.call, KEYS[1] .. ARGV[1]
return {
  call('HGETALL', key .. ':processed'), call('HGETALL', key .. ':failed'),
  call('ZRANGE', key .. ':unsuccessful', 0, -1), call('SMEMBERS', key .. ':dependencies'),
}
