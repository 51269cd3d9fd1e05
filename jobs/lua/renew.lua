-- Renew leases, and what the jobs have in flight.  {now, lease_s, held: {id: fence}}.  Answers the ids that are lost.
-- A lease that is renewed late takes back an admission that was made when it seemed to have ended.
local ends, lost = now + arg.lease_s, {}
for id, fence in pairs(arg.held) do
  local job = read_job(id)
  if job and job.fence == fence and job.state == 'running' then
    redis.call('HSET', job_key(id), 'until', ends)
    redis.call('ZREM', p .. 'admitted', id)
    release(id, job)
    redis.call('ZADD', due_set(job.step, job.lane), ends, id)
    if KIND[job.step] then redis.call('ZADD', p .. 'inflight:' .. KIND[job.step], ends, id) end
  else
    lost[#lost + 1] = id
  end
end
return lost
