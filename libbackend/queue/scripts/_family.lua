-- A job's parent as its hash names it: at (base of its keys), id, key, policy; nothing without one.
local function parent_of(key)
  local known = call('HMGET', key, 'parentKey', 'parent')
  if not known[1] then
    return nil
  end
  local parent = {key = known[1], policy = ''}
  local link = known[2] and cjson.decode(known[2]) or {}
  if link.queueKey and link.id then
    parent.at, parent.id = link.queueKey .. ':', link.id
  else
    parent.at, parent.id = string.match(known[1], '^(.*:)([^:]*)$')
  end
  for _, policy in ipairs({'fpof', 'cpof', 'idof', 'rdof'}) do
    if link[policy] then
      parent.policy = policy
    end
  end
  return parent
end
