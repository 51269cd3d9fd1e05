-- Note where the output of a job that is done lies now.  {id, now, output, output_key}
-- The name it had stays claimed, so that it can come back.  Answers 1, or 0 when it is not done or the name is taken.
local job = read_job(arg.id)
if not job or job.state ~= 'done' then return 0 end
local owner = redis.call('HGET', p .. 'outputs', arg.output_key)
if owner and owner ~= arg.id then return 0 end
redis.call('HSET', p .. 'outputs', arg.output_key, arg.id)
redis.call('HSET', job_key(arg.id), 'output', arg.output, 'updated', now)
redis.call('ZADD', p .. 'in:done', now, arg.id)
return 1
