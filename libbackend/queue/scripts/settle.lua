-- Ends jobs that this worker has run, and takes the next ones.
-- ARGV: now, token, lock time, how many to take, worker's name, limit, its time, metrics minutes,
-- how many jobs have ended, and for each: what became of it, id, token, value, attempts made, how
-- many of its kind to keep (-1: all, 0: none), for how many seconds (-1: for ever), the number of
-- pairs that follow, and as many names and values:
--   deid  parentKey parentAt parentId policy  stacktrace attempts  delay priority lifo hold
-- What became of it: c completed, f failed for good, r to be retried, d delayed by itself, b given
-- back, w waits for its children.
-- Returns a code for each; how the taking ended (0 as many as wanted, 1 no more, 2 paused, 3 enough
-- are running, 4 too many in this time); when the next is due (1) or how long to wait (4); and for
-- each job taken its id and its hash.
--@use _queue
--@use _place
--@use _promote
--@use _create
--@use _remove
--@use _parent
--@use _dedup
local now, token, lock_ms, want = tonumber(ARGV[1]), ARGV[2], ARGV[3], tonumber(ARGV[4])
local events, active, wait = base .. 'events', base .. 'active', base .. 'wait'
local meta = call('HMGET', base .. 'meta', 'paused', 'concurrency', 'opts.maxLenEvents', 'max', 'duration')
local codes, ended, settled, gone, rules = {}, 0, {}, {}, {}
local counts = {completed = 0, failed = 0}

local function why_not(key, lock)
  if call('EXISTS', key) == 0 then
    return -1
  end
  return lock and -6 or -2
end

-- Removes from a set of ended jobs what is older or more than may be kept.
local function evict(rule)
  local set = base .. rule.set
  if rule.age >= 0 then
    local old = call('ZRANGEBYSCORE', set, '-inf', now - rule.age * 1000, 'LIMIT', 0, 1000)
    for i = 1, #old do
      delete_job(base, old[i])
    end
    if #old ~= 0 then
      call('ZREM', set, unpack(old))
    end
  end
  if rule.count >= 0 then
    local over = math.min(call('ZCARD', set) - rule.count, 1000)
    if over > 0 then
      local old = call('ZRANGE', set, 0, over - 1)
      for i = 1, #old do
        delete_job(base, old[i])
      end
      call('ZREMRANGEBYRANK', set, 0, over - 1)
    end
  end
end

-- A job has ended for good, in the set `set`.
local function finish(set, field, id, key, value, made, keep, age, job)
  if job and job.deid then
    free_dedup(base, id, job.deid, now)
  end
  if job and job.parentKey then
    local parent = {key = job.parentKey, at = job.parentAt, id = job.parentId, policy = job.policy}
    if set == 'completed' then
      child_completed(parent, key, value, now)
    else
      child_failed(parent, key, value, now)
    end
  end
  if keep == 0 then
    local n = #gone
    gone[n + 1], gone[n + 2], gone[n + 3], gone[n + 4] = key, key .. ':logs', key .. ':dependencies', key .. ':processed'
    gone[n + 5], gone[n + 6] = key .. ':failed', key .. ':unsuccessful'
  else
    call('HSET', key, 'atm', made, field, value, 'finishedOn', now)
    call('ZADD', base .. set, now, id)
    if keep > 0 or age >= 0 then
      rules[set .. keep .. ':' .. age] = {set = set, count = keep, age = age}
    end
  end
  counts[set] = counts[set] + 1
  ended = ended + 1
  call('XADD', events, '*', 'event', set, 'jobId', id, field, value, 'prev', 'active')
end

local function settle(kind, id, key, value, made, keep, age, job)
  if kind == 'c' then
    if call('EXISTS', key, key, key, key .. ':dependencies', key .. ':unsuccessful') ~= 3 then
      if call('EXISTS', key) == 0 then
        return -1
      end
      return call('SCARD', key .. ':dependencies') ~= 0 and -4 or -9
    end
  elseif call('EXISTS', key) == 0 then
    return -1
  elseif kind == 'w' then
    if call('ZCARD', key .. ':unsuccessful') ~= 0 then
      return -9
    end
    if call('SCARD', key .. ':dependencies') == 0 then
      return 1
    end
  end
  if call('LREM', active, -1, id) == 0 then
    return -3
  end
  settled[#settled + 1] = id
  gone[#gone + 1] = key .. ':lock'
  if kind == 'c' then
    finish('completed', 'returnvalue', id, key, value, made, keep, age, job)
  elseif kind == 'f' then
    call('HDEL', key, 'defa')
    call('HSET', key, 'stacktrace', job.stacktrace)
    finish('failed', 'failedReason', id, key, value, made, keep, age, job)
    if tonumber(made) >= tonumber(job.attempts) then
      emit(base, 'retries-exhausted', 'jobId', id, 'attemptsMade', made)
    end
  elseif kind == 'w' then
    call('ZADD', base .. 'waiting-children', now, id)
    emit(base, 'waiting-children', 'jobId', id, 'prev', 'active')
  else
    if kind == 'r' then
      call('HSET', key, 'failedReason', value, 'stacktrace', job.stacktrace, 'atm', made)
    end
    local delay, priority = tonumber(job.delay), tonumber(job.priority)
    if job.hold then
      call('SET', base .. 'limiter', '9007199254740991', 'PX', job.hold)
    end
    if delay > 0 then
      call('HSET', key, 'delay', delay)
      make_delayed(base, id, now + delay)
      emit(base, 'delayed', 'jobId', id, 'delay', now + delay)
      wake_when_due(base)
    else
      make_ready(base, id, priority, kind == 'b' or job.lifo)
      emit(base, 'waiting', 'jobId', id, 'prev', 'active')
      wake(base)
    end
  end
  return 0
end

local function settle_all()
  local at = 10
  for n = 1, tonumber(ARGV[9]) do
    local kind, id, own, pairs_left = ARGV[at], ARGV[at + 1], ARGV[at + 2], tonumber(ARGV[at + 7])
    local value, made, keep, age = ARGV[at + 3], ARGV[at + 4], tonumber(ARGV[at + 5]), tonumber(ARGV[at + 6])
    local key, job = base .. id, nil
    at = at + 8
    if pairs_left ~= 0 then
      job = {}
      for _ = 1, pairs_left do
        job[ARGV[at]] = ARGV[at + 1]
        at = at + 2
      end
    end
    local lock = call('GET', key .. ':lock')
    if lock == own then
      codes[n] = settle(kind, id, key, value, made, keep, age, job)
    else
      codes[n] = why_not(key, lock)
    end
  end
  if #settled ~= 0 then
    call('SREM', base .. 'stalled', unpack(settled))
    call('DEL', unpack(gone))
  end
  for _, rule in pairs(rules) do
    evict(rule)
  end
end

-- So many that have ended in this minute; a point for each minute that has passed since the last.
local function count_ended(set, more, points)
  local key = base .. 'metrics:' .. set
  local before = number_of(call('HINCRBY', key, 'count', more)) - more
  local known = call('HMGET', key, 'prevTS', 'prevCount')
  if not known[1] then
    call('HSET', key, 'prevTS', now, 'prevCount', 0)
    return
  end
  local minutes = math.min(math.floor(now / 60000) - math.floor(tonumber(known[1]) / 60000), points)
  if minutes <= 0 then
    return
  end
  local values = {before - number_of(known[2])}
  for i = 2, minutes do
    values[i] = 0
  end
  call('LPUSH', key .. ':data', unpack(values))
  call('LTRIM', key .. ':data', 0, points - 1)
  call('HSET', key, 'prevTS', now, 'prevCount', before)
end

local taken, jobs = 0, {}

local function start(id)
  local key = base .. id
  local hash = call('HGETALL', key)
  if #hash == 0 then
    call('LREM', active, 1, id) -- somebody has deleted it
    return false
  end
  local begun, deferred = 0, false
  for i = 1, #hash, 2 do
    if hash[i] == 'ats' then
      begun = tonumber(hash[i + 1])
    elseif hash[i] == 'defa' then
      deferred = true
    end
  end
  call('SET', key .. ':lock', token, 'PX', lock_ms)
  call('XADD', events, '*', 'event', 'active', 'jobId', id, 'prev', 'waiting')
  if ARGV[5] ~= '' then
    call('HSET', key, 'processedOn', now, 'ats', begun + 1, 'pb', ARGV[5])
  else
    call('HSET', key, 'processedOn', now, 'ats', begun + 1)
  end
  taken = taken + 1
  jobs[2 * taken - 1], jobs[2 * taken] = id, hash
  return not deferred
end

-- Ids of at most `most` ready jobs, which are in `active` from then on; the first runs first.
local function take(most)
  local ids = {}
  local right = call('LRANGE', wait, -most, -1)
  local n = #right
  if n ~= 0 then
    call('LTRIM', wait, 0, -n - 1)
    for i = n, 1, -1 do
      if string.sub(right[i], 1, 2) ~= '0:' then -- a marker of BullMQ 4 and older
        ids[#ids + 1] = right[i]
      end
    end
  end
  if n < most then
    local first = call('ZPOPMIN', base .. 'prioritized', most - n)
    for i = 1, #first, 2 do
      ids[#ids + 1] = first[i]
    end
    n = n + #first / 2
  end
  if #ids ~= 0 then
    call('LPUSH', active, unpack(ids))
  end
  return ids, n
end

local function fetch()
  local promoted = promote_due(base, now)
  local room = want
  local max = tonumber(meta[4] or ARGV[6])
  local used = 0
  if max then
    used = number_of(call('GET', base .. 'limiter'))
    if used >= max then
      local left = call('PTTL', base .. 'limiter')
      if left > 0 then
        if promoted ~= 0 then
          wake(base)
        end
        return 4, left
      end
      call('DEL', base .. 'limiter') -- in its last millisecond: what starts now is of the next window
      used = 0
    end
    room = math.min(room, max - used)
  end
  if meta[1] then
    return 2, 0
  end
  local state = 0
  if meta[2] then
    local free = tonumber(meta[2]) - call('LLEN', active)
    if free <= 0 then
      return 3, 0
    end
    if free < room then
      room, state = free, 3
    end
  end
  local counted = 0
  while taken < room do
    local ids, n = take(room - taken)
    for i = 1, #ids do
      if start(ids[i]) then
        counted = counted + 1
      end
    end
    if n == 0 then
      state = 1
      break
    end
  end
  if max and counted ~= 0 and call('INCRBY', base .. 'limiter', counted) == counted then
    call('PEXPIRE', base .. 'limiter', ARGV[7] ~= '' and ARGV[7] or meta[5] or 1000)
  end
  if state == 0 then
    call('ZADD', base .. 'marker', 0, '0') -- somebody else may find more
  elseif state == 1 then
    if taken == 0 then
      call('DEL', base .. 'pc')
    end
    local first = call('ZRANGE', base .. 'delayed', 0, 0, 'WITHSCORES')
    return 1, first[2] and math.floor(tonumber(first[2]) / 4096) or 0
  end
  return state, 0
end

settle_all()
local points = tonumber(ARGV[8])
if points ~= 0 then
  for set, more in pairs(counts) do
    if more ~= 0 then
      count_ended(set, more, points)
    end
  end
end
local state, ms = 1, 0
if want ~= 0 then
  state, ms = fetch()
end
if ended ~= 0 and taken == 0 and state == 1 and (want == 0 or ms == 0) and
  call('EXISTS', wait, active, base .. 'prioritized') == 0 then
  emit(base, 'drained')
end
if ended ~= 0 or taken ~= 0 then
  call('XTRIM', events, 'MAXLEN', '~', meta[3] or 10000)
end
return {codes, state, ms, jobs}
