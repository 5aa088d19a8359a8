-- Puts a job's id where it becomes ready, or where it waits for its time.

-- Behind the others of its priority; in front of them where `front` is set.
local function make_ready(at, id, priority, front)
  if priority == 0 then
    call(front and 'RPUSH' or 'LPUSH', at .. 'wait', id)
  else
    local turn = front and 0 or call('INCR', at .. 'pc') % 4294967296
    call('ZADD', at .. 'prioritized', priority * 4294967296 + turn, id)
  end
end

-- The low 12 bits of a score keep those in order that are due in the same millisecond.
local function make_delayed(at, id, due)
  local score = due * 4096
  local last = call('ZREVRANGEBYSCORE', at .. 'delayed', score + 4095, score, 'WITHSCORES', 'LIMIT', 0, 1)
  if last[2] then
    score = math.min(tonumber(last[2]) + 1, score + 4095)
  end
  call('ZADD', at .. 'delayed', score, id)
end

-- A hash's number; 0 where it has none.
local function number_of(text)
  return text and tonumber(text) or 0
end
