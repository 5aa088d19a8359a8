-- Adds a tree of jobs, parents before their children. ARGV: now, how many, and for each: base of its
-- queue's keys, length of the event stream where none is set, name, data, opts (JSON), the number of
-- pairs that follow, and as many names and values: those of add.lua, id among them.
-- Returns 0; -7: a child has another parent, and nothing is added.
--@use _queue
--@use _place
--@use _create
--@use _parent
--@use _adopt
local now = tonumber(ARGV[1])
local jobs, at = {}, 3
for n = 1, tonumber(ARGV[2]) do
  local job = {
    at = ARGV[at], events = ARGV[at + 1], name = ARGV[at + 2], data = ARGV[at + 3], opts = ARGV[at + 4],
    timestamp = now, delay = 0, priority = 0,
  }
  local pairs_left = tonumber(ARGV[at + 5])
  at = at + 6
  for _ = 1, pairs_left do
    job[ARGV[at]] = ARGV[at + 1]
    at = at + 2
  end
  jobs[n] = job
end

-- Nothing may be changed before it is known that all can be.
for _, job in ipairs(jobs) do
  if job.parentKey then
    local former = call('HGET', job.at .. job.id, 'parentKey')
    if former and former ~= job.parentKey and call('EXISTS', former) == 1 then
      return -7
    end
  end
end

for _, job in ipairs(jobs) do
  call('HSETNX', job.at .. 'meta', 'opts.maxLenEvents', job.events)
  call('INCR', job.at .. 'id')
  if call('EXISTS', job.at .. job.id) == 1 then
    if job.parentKey then
      adopt(job.at, job.id, job)
    end
    emit(job.at, 'duplicated', 'jobId', job.id)
  else
    create(job.at, job.id, job, now)
  end
end

-- Children that had ended already, or the same child twice, may leave nobody to wait for.
for n = #jobs, 1, -1 do
  local job = jobs[n]
  if job.children then
    release_if_last(job.at .. job.id, job.at, job.id, now)
  end
  trim_events(job.at)
end
return 0
