-- Writes a job and puts it in its place. `job` has name, data, opts, timestamp, delay and priority,
-- and where it is so lifo, parentKey, parent, rjk, deid, and children for one that waits for them.
local function create(at, id, job, now)
  local key = at .. id
  call('HSET', key, 'name', job.name, 'data', job.data, 'opts', job.opts, 'timestamp', job.timestamp,
    'delay', job.delay, 'priority', job.priority)
  if job.parentKey then
    call('HSET', key, 'parentKey', job.parentKey, 'parent', job.parent)
  end
  if job.rjk then
    call('HSET', key, 'rjk', job.rjk)
  end
  if job.deid then
    call('HSET', key, 'deid', job.deid)
  end
  emit(at, 'added', 'jobId', id, 'name', job.name)

  local delay = tonumber(job.delay)
  if job.children then
    call('ZADD', at .. 'waiting-children', job.timestamp, id)
    emit(at, 'waiting-children', 'jobId', id)
  elseif delay > 0 then
    local due = now + math.floor(delay)
    make_delayed(at, id, due)
    emit(at, 'delayed', 'jobId', id, 'delay', due)
    wake_when_due(at)
  else
    make_ready(at, id, tonumber(job.priority), job.lifo)
    emit(at, 'waiting', 'jobId', id)
    wake(at)
  end
  if job.parentKey then
    call('SADD', job.parentKey .. ':dependencies', key)
  end
end
