-- Adds jobs. ARGV: now, how many, length of the event stream where none is set, and for each: name, data, opts (JSON), the number of pairs that
-- follow, and as many names and values:
--   id  deid (with ttl, extend, replace, keep_last)  timestamp  delay  priority  lifo
--   parentKey parent children rjk (flows, schedulers)  relayed (entry of an outbox, with until)
-- Returns for each its id, that of the job that it duplicates, or a code: 0 for an entry of an outbox
-- that was moved before, else negative.
--@use _queue
--@use _place
--@use _create
--@use _remove
--@use _parent
--@use _adopt
local now = tonumber(ARGV[1])
local count = tonumber(ARGV[2])
local events, meta = base .. 'events', base .. 'meta'
local known = call('HMGET', meta, 'opts.maxLenEvents', 'paused', 'concurrency')
local length = known[1]
local fresh, out = {}, {}
local relays, is_trimmed = false, false

-- The job that has the id already, or nothing when `id` is the owner now.
local function owner_of(dedup_id, id, job)
  local key = base .. 'de:' .. dedup_id
  local owner = call('GET', key)
  local ttl = job.ttl
  if owner and call('EXISTS', base .. owner) == 0 and call('PTTL', key) == -1 then
    call('DEL', base .. 'dn:' .. dedup_id)
    owner = nil
  end
  if not owner then
    if ttl then
      call('SET', key, id, 'PX', ttl)
    else
      call('SET', key, id)
    end
    return nil
  end
  if job.replace and call('ZREM', base .. 'delayed', owner) == 1 then
    local left = call('PTTL', key)
    delete_job(base, owner)
    emit(base, 'removed', 'jobId', owner, 'prev', 'delayed')
    emit(base, 'deduplicated', 'jobId', id, 'deduplicationId', dedup_id, 'deduplicatedJobId', owner)
    if ttl and (job.extend or left < 0) then
      left = ttl
    end
    if tonumber(left) > 0 then
      call('SET', key, id, 'PX', left)
    else
      call('SET', key, id)
    end
    return nil
  end
  if job.keep_last and call('LPOS', base .. 'active', owner) then
    local next_key = base .. 'dn:' .. dedup_id
    call('DEL', next_key)
    call('HSET', next_key, 'name', job.name, 'data', job.data, 'opts', job.opts, 'jid', id)
    if job.parentKey then
      call('HSET', next_key, 'pk', job.parentKey, 'pd', job.parent, 'pdk', job.parentKey .. ':dependencies')
    end
    if job.rjk then
      call('HSET', next_key, 'rjk', job.rjk)
    end
    call('PERSIST', key)
  elseif job.extend and ttl then
    call('PEXPIRE', key, ttl)
  end
  emit(base, 'deduplicated', 'jobId', owner, 'deduplicationId', dedup_id, 'deduplicatedJobId', id)
  return owner
end

-- Whatever is not a job ready at once with an id of its own.
local function add_other(id, job)
  if job.parentKey and call('EXISTS', job.parentKey) == 0 then
    return -5
  end
  if job.id then
    id = job.id
    local key = base .. id
    if job.relayed then
      relays = true
      if call('ZSCORE', base .. 'bk:relayed', job.relayed) then
        return 0
      end
      call('ZADD', base .. 'bk:relayed', job['until'], job.relayed)
    end
    if call('EXISTS', key) == 1 then
      local code = id
      if job.parentKey then
        code = adopt(base, id, job)
      end
      emit(base, 'duplicated', 'jobId', id)
      return code
    end
  end
  if job.deid then
    local owner = owner_of(job.deid, id, job)
    if owner then
      return owner
    end
  end
  job.timestamp = job.timestamp or now
  job.delay = job.delay or 0
  job.priority = job.priority or 0
  create(base, id, job, now)
  return id
end

-- What is ready with an id of its own gets its place at the end of a row.
local function place_fresh()
  if #fresh ~= 0 then
    call('LPUSH', base .. 'wait', unpack(fresh))
    wake_unless(base, known[2], known[3])
    fresh = {}
  end
end

if not length then
  length = ARGV[3]
  call('HSET', meta, 'opts.maxLenEvents', length)
end
local number = call('INCRBY', base .. 'id', count) - count
local at = 4
for n = 1, count do
  local name, data, opts, pairs_left = ARGV[at], ARGV[at + 1], ARGV[at + 2], tonumber(ARGV[at + 3])
  at = at + 4
  number = number + 1
  local id = string.format('%.0f', number)
  if pairs_left == 0 then
    call('HSET', base .. id, 'name', name, 'data', data, 'opts', opts, 'timestamp', now, 'delay', 0, 'priority', 0)
    call('XADD', events, '*', 'event', 'added', 'jobId', id, 'name', name)
    if n == count then
      call('XADD', events, 'MAXLEN', '~', length, '*', 'event', 'waiting', 'jobId', id)
      is_trimmed = true
    else
      call('XADD', events, '*', 'event', 'waiting', 'jobId', id)
    end
    fresh[#fresh + 1] = id
    out[n] = id
  else
    local job = {name = name, data = data, opts = opts}
    for _ = 1, pairs_left do
      job[ARGV[at]] = ARGV[at + 1]
      at = at + 2
    end
    place_fresh()
    out[n] = add_other(id, job)
  end
end
place_fresh()
if relays then
  call('ZREMRANGEBYSCORE', base .. 'bk:relayed', '-inf', now)
end
if not is_trimmed then
  call('XTRIM', events, 'MAXLEN', '~', length)
end
return out
