-- What the end of a child means for its parent, which may lie in another queue.

-- The parent runs, unless it waits for its time. Where it `must`, it runs now.
local function release(at, id, now, must)
  local key = at .. id
  local prev = 'waiting-children'
  if call('ZREM', at .. 'waiting-children', id) == 0 then
    if not must or call('ZREM', at .. 'delayed', id) == 0 then
      return
    end
    prev = 'delayed'
  end
  local job = call('HMGET', key, 'delay', 'priority')
  local delay = number_of(job[1])
  if delay > 0 and not must then
    local due = now + math.floor(delay)
    call('ZADD', at .. 'delayed', due * 4096, id)
    emit(at, 'delayed', 'jobId', id, 'delay', due)
    wake_when_due(at)
    return
  end
  if delay > 0 then
    call('HSET', key, 'delay', 0)
  end
  local priority = number_of(job[2])
  make_ready(at, id, priority, priority == 0)
  emit(at, 'waiting', 'jobId', id, 'prev', prev)
  wake(at)
end

local function release_if_last(parent_key, at, id, now)
  if call('SCARD', parent_key .. ':dependencies') == 0 then
    release(at, id, now)
  end
end

-- `parent` has key, at, id, and policy: what the child's failure does to it ('' for nothing).
local function child_completed(parent, child_key, value, now)
  if call('SREM', parent.key .. ':dependencies', child_key) == 1 then
    call('HSET', parent.key .. ':processed', child_key, value)
    release_if_last(parent.key, parent.at, parent.id, now)
  end
end

local function child_failed(parent, child_key, reason, now)
  local policy = parent.policy
  if policy == '' or call('SREM', parent.key .. ':dependencies', child_key) == 0 then
    return
  end
  if policy == 'fpof' then
    call('ZADD', parent.key .. ':unsuccessful', now, child_key)
    if call('EXISTS', parent.key) == 1 then
      call('HSET', parent.key, 'defa', 'child ' .. child_key .. ' failed')
      release(parent.at, parent.id, now, true)
    end
  elseif policy == 'cpof' then
    call('HSET', parent.key .. ':failed', child_key, reason)
    release(parent.at, parent.id, now)
  else
    if policy == 'idof' then
      call('HSET', parent.key .. ':failed', child_key, reason)
    end
    release_if_last(parent.key, parent.at, parent.id, now)
  end
end
