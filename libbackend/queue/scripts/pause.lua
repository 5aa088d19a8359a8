-- No worker takes jobs any more.
--@use _queue
call('HSET', base .. 'meta', 'paused', 1)
call('DEL', base .. 'marker')
emit(base, 'paused')
return 0
