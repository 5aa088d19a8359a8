-- A job of that id is there already: it becomes the child of the parent that `job` names. Its code,
-- or its id.
local function adopt(at, id, job)
  local key = at .. id
  local former = call('HGET', key, 'parentKey')
  if former and former ~= job.parentKey and call('EXISTS', former) == 1 then
    return -7
  end
  call('HSET', key, 'parentKey', job.parentKey, 'parent', job.parent)
  if call('ZSCORE', at .. 'completed', id) then
    call('HSET', job.parentKey .. ':processed', key, call('HGET', key, 'returnvalue') or 'null')
  else
    call('SADD', job.parentKey .. ':dependencies', key)
  end
  return id
end
