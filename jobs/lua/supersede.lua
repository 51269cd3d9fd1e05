-- Cancel a job whose instruction has not been sent, so that a newer one takes its place and its output's name.
-- {id, now, output_key}.  Answers 1, or 0 when it has been sent or has ended.
local job = read_job(arg.id)
if not job or ENDED[job.state] then return 0 end
if job.step ~= 'upload' and (job.step ~= 'edit' or job.state == 'running') then return 0 end
local text = redis.call('HGET', job_key(arg.id), 'instructions')
for _, one in ipairs(text and text ~= '' and cjson.decode(text) or {}) do
  if one.status and one.status ~= 'pending' then return 0 end
  if one.attempts and one.attempts > 0 then return 0 end
end
redis.call('HSET', job_key(arg.id), 'state', 'cancelled', 'until', 0, 'updated', now, 'fence', '', 'reason', 'superseded')
if redis.call('HGET', p .. 'outputs', arg.output_key) == arg.id then redis.call('HDEL', p .. 'outputs', arg.output_key) end
redis.call('ZREM', p .. 'admitted', arg.id)
move(arg.id, job, 'cancelled', job.step, nil)
settle_budget(arg.id, false)
return 1
