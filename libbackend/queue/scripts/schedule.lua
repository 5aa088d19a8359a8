-- Gives a schedule its next run, and its settings where they are given.
-- ARGV: now, schedule, time of its present run ('' for a new one), time of the next ('' for none),
-- length of the event stream where none is set, whether the present job goes where it waits (1, 0),
-- the number of words of settings (0: they stay, and a run is counted), these words, and of the next
-- job: name, data, opts (JSON), delay, priority, lifo (1, 0).
-- Returns 1; 0: the present run is another, or there is no such schedule; -10: another job has the
-- next one's id.
--@use _queue
--@use _place
--@use _create
--@use _remove
local now, name, present, next_run = tonumber(ARGV[1]), ARGV[2], ARGV[3], ARGV[4]
local words = tonumber(ARGV[7])
local record = base .. 'repeat:' .. name

local function job_of(run)
  return 'repeat:' .. name .. ':' .. run
end

local function waits(id)
  return call('EXISTS', base .. id) == 1 and not call('ZSCORE', base .. 'completed', id) and
    not call('ZSCORE', base .. 'failed', id) and not call('LPOS', base .. 'active', id)
end

local function take_out(id)
  if call('ZREM', base .. 'delayed', id) + call('ZREM', base .. 'prioritized', id) == 0 then
    call('LREM', base .. 'wait', 0, id)
    call('LREM', base .. 'paused', 0, id)
  end
  delete_job(base, id)
end

local score = call('ZSCORE', base .. 'repeat', name)
if (score and string.format('%.0f', tonumber(score)) or '') ~= present then
  return 0
end
if words == 0 and call('EXISTS', record) == 0 then
  return 0
end
local old, id = job_of(present), job_of(next_run)
local goes = ARGV[6] == '1' and present ~= '' and waits(old)
if next_run ~= '' and call('EXISTS', base .. id) == 1 and not (goes and id == old) then
  return -10
end

if goes then
  take_out(old)
end
if words ~= 0 then
  local runs = call('HGET', record, 'ic') or 1
  call('DEL', record)
  call('HSET', record, unpack(ARGV, 8, 7 + words))
  call('HSET', record, 'ic', runs)
else
  call('HINCRBY', record, 'ic', 1)
end
if next_run == '' then
  return 1
end
call('HSETNX', base .. 'meta', 'opts.maxLenEvents', ARGV[5])
call('INCR', base .. 'id')
call('ZADD', base .. 'repeat', next_run, name)
local at = 8 + words
create(base, id, {
  name = ARGV[at], data = ARGV[at + 1], opts = ARGV[at + 2], timestamp = now, delay = ARGV[at + 3],
  priority = ARGV[at + 4], lifo = ARGV[at + 5] == '1', rjk = name,
}, now)
trim_events(base)
return 1
