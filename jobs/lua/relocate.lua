-- A job's file was moved before it was uploaded: the job goes on with it at its new place.
-- {id, now, was, source, codes: {code: true}, spec}.  Answers 1, or 0 when the job has another source, was uploaded, runs, or has ended otherwise.
local key = job_key(arg.id)
local job = read_job(arg.id)
if not job or job.step ~= 'upload' then return 0 end
local at = redis.call('HMGET', key, 'source', 'problem', 'upload')
if at[1] ~= arg.was or (at[3] and at[3] ~= '') then return 0 end
if job.state == 'failed' then
  if not at[2] or at[2] == '' or not arg.codes[cjson.decode(at[2]).code] then return 0 end
  redis.call('HSET', key, 'state', 'queued', 'attempts', 0, 'started', 0, 'until', 0, 'problem', '', 'updated', now, 'fence', '')
  if job.group ~= '' then join_group(job.group, arg.id) end
  move(arg.id, job, 'queued', 'upload', now)
  redis.call('PUBLISH', p .. 'ring', 'relocate')
elseif job.state ~= 'queued' and job.state ~= 'waiting' and job.state ~= 'parked' then
  return 0
elseif job.held then -- by the folder that it has left
  release(arg.id, job)
  redis.call('ZADD', due_set(job.step, job.lane), now, arg.id)
end
redis.call('HSET', key, 'source', arg.source, 'spec', arg.spec)
return 1
