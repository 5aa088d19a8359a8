-- Removes a job and its children. ARGV: now, id. Returns 1; 0: it or a child is being run; -8: it is
-- the next run of a scheduler.
--@use _queue
--@use _place
--@use _remove
--@use _parent
--@use _family
--@use _discard
local now = tonumber(ARGV[1])

-- The job and all below it, parents first.
local family = {{at = base, id = ARGV[2], key = base .. ARGV[2]}}
local seen = {[base .. ARGV[2]] = true}

local function add_child(key)
  if not seen[key] then
    seen[key] = true
    local at, id = string.match(key, '^(.*:)([^:]*)$')
    local link = call('HGET', key, 'opts')
    local ok, opts = pcall(cjson.decode, link or '{}')
    if ok and type(opts) == 'table' and type(opts.jobId) == 'string' and
      string.sub(key, -#opts.jobId - 1) == ':' .. opts.jobId then
      id = opts.jobId -- one with colons in it
      at = string.sub(key, 1, -#id - 1)
    end
    family[#family + 1] = {at = at, id = id, key = key}
  end
end

local function add_children(key)
  local pending = call('SMEMBERS', key .. ':dependencies')
  local ended = call('HKEYS', key .. ':processed')
  local ignored = call('HKEYS', key .. ':failed')
  local failed = call('ZRANGE', key .. ':unsuccessful', 0, -1)
  for _, keys in ipairs({pending, ended, ignored, failed}) do
    for i = 1, #keys do
      add_child(keys[i])
    end
  end
end

if call('EXISTS', family[1].key) == 0 then
  withdraw(base, ARGV[2])
  return 1
end
if is_scheduled(base, ARGV[2], family[1].key) then
  return -8
end
local next_one = 1
while family[next_one] do
  if call('EXISTS', family[next_one].key .. ':lock') == 1 then
    return 0
  end
  add_children(family[next_one].key)
  next_one = next_one + 1
end
for n = #family, 1, -1 do
  local job = family[n]
  if call('EXISTS', job.key) == 1 then
    local prev = withdraw(job.at, job.id)
    discard(job.at, job.id, now)
    emit(job.at, 'removed', 'jobId', job.id, 'prev', prev)
  end
end
return 1
