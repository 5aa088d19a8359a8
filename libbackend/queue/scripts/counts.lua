-- How many jobs are where, in the order of bk_job_state; the last says whether the queue is paused.
local call, base = redis.call, KEYS[1]
return {
  call('LLEN', base .. 'wait') + call('LLEN', base .. 'paused'), call('ZCARD', base .. 'prioritized'),
  call('LLEN', base .. 'active'), call('ZCARD', base .. 'delayed'), call('ZCARD', base .. 'waiting-children'),
  call('ZCARD', base .. 'completed'), call('ZCARD', base .. 'failed'), call('HEXISTS', base .. 'meta', 'paused'),
}
