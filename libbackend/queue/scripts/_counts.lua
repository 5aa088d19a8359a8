-- How many jobs are where, in the order of bk_job_state; the last says whether the queue is paused.
local function counts(at)
  return {
    call('LLEN', at .. 'wait') + call('LLEN', at .. 'paused'), call('ZCARD', at .. 'prioritized'),
    call('LLEN', at .. 'active'), call('ZCARD', at .. 'delayed'), call('ZCARD', at .. 'waiting-children'),
    call('ZCARD', at .. 'completed'), call('ZCARD', at .. 'failed'), call('HEXISTS', at .. 'meta', 'paused'),
  }
end
