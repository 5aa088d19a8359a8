-- A deduplication id is free again when its owner has ended. What was kept meanwhile is added then.
local function add_kept(at, dedup_id, now)
  local kept = call('HGETALL', at .. 'dn:' .. dedup_id)
  local job = {}
  for i = 1, #kept, 2 do
    job[kept[i]] = kept[i + 1]
  end
  local opts = cjson.decode(job.opts)
  call('DEL', at .. 'dn:' .. dedup_id)
  call('SET', at .. 'de:' .. dedup_id, job.jid)
  call('INCR', at .. 'id')
  create(at, job.jid, {
    name = job.name, data = job.data, opts = job.opts, timestamp = now, delay = tonumber(opts.delay) or 0,
    priority = tonumber(opts.priority) or 0, lifo = opts.lifo == true, parentKey = job.pk, parent = job.pd,
    rjk = job.rjk, deid = dedup_id,
  }, now)
end

local function free_dedup(at, id, dedup_id, now)
  local key = at .. 'de:' .. dedup_id
  if call('GET', key) ~= id or call('PTTL', key) ~= -1 then
    return
  end
  if call('EXISTS', at .. 'dn:' .. dedup_id) == 1 then
    add_kept(at, dedup_id, now)
  else
    call('DEL', key)
  end
end
