-- What a queue's parts are called, how an event is told, and how workers are woken. Functions take
-- the base of a queue's keys, "prefix:name:", since a job's parent may lie in another queue.
local call = redis.call
local base = KEYS[1]

local function emit(at, ...)
  call('XADD', at .. 'events', '*', 'event', ...)
end

-- There may be work: wakes one worker, unless none may take a job.
local function wake_unless(at, paused, concurrency)
  if paused or (concurrency and call('LLEN', at .. 'active') >= tonumber(concurrency)) then
    return
  end
  call('ZADD', at .. 'marker', 0, '0')
end

local function wake(at)
  wake_unless(at, unpack(call('HMGET', at .. 'meta', 'paused', 'concurrency')))
end

-- Tells a worker when the first delayed job is due.
local function wake_when_due(at)
  local first = call('ZRANGE', at .. 'delayed', 0, 0, 'WITHSCORES')
  if first[2] then
    call('ZADD', at .. 'marker', math.floor(tonumber(first[2]) / 4096), '1')
  end
end

local function trim_events(at)
  local length = call('HGET', at .. 'meta', 'opts.maxLenEvents')
  call('XTRIM', at .. 'events', 'MAXLEN', '~', length or 10000)
end
