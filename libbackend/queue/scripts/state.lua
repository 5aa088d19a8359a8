-- Where a job is. ARGV: id. Returns the name of the set or list; '' for nowhere.
local call, base, id = redis.call, KEYS[1], ARGV[1]
for _, set in ipairs({'completed', 'failed', 'delayed', 'prioritized', 'waiting-children'}) do
  if call('ZSCORE', base .. set, id) then
    return set
  end
end
for _, list in ipairs({'active', 'wait', 'paused'}) do
  if call('LPOS', base .. list, id) then
    return list
  end
end
return ''
