-- Removes a job that is in no list or set any more: frees what it owns, and its parent if it was the
-- last child.
local function discard(at, id, now)
  local key = at .. id
  local dedup_id = call('HGET', key, 'deid')
  if dedup_id and call('GET', at .. 'de:' .. dedup_id) == id then
    call('DEL', at .. 'de:' .. dedup_id, at .. 'dn:' .. dedup_id)
  end
  local parent = parent_of(key)
  if parent then
    if call('SREM', parent.key .. ':dependencies', key) == 1 then
      release_if_last(parent.key, parent.at, parent.id, now)
    end
    call('HDEL', parent.key .. ':processed', key)
    call('HDEL', parent.key .. ':failed', key)
    call('ZREM', parent.key .. ':unsuccessful', key)
  end
  delete_job(at, id)
end

-- Takes a job out of wherever it is; its state, as events call it.
local function withdraw(at, id)
  for _, set in ipairs({'completed', 'failed', 'delayed', 'prioritized', 'waiting-children'}) do
    if call('ZREM', at .. set, id) == 1 then
      return set
    end
  end
  for _, list in ipairs({'active', 'wait', 'paused'}) do
    if call('LREM', at .. list, 0, id) ~= 0 then
      return list
    end
  end
  return 'unknown'
end

-- The next run of a scheduler that is still there.
local function is_scheduled(at, id, key)
  local scheduler = call('HGET', key, 'rjk')
  local score = scheduler and call('ZSCORE', at .. 'repeat', scheduler)
  return score and id == 'repeat:' .. scheduler .. ':' .. string.format('%.0f', tonumber(score))
end
