-- Take the lease of an admitted job for one step. A job is claimed once for each admission, however often its message comes.
-- {id, step, fence, owner, now, lease_s, holds}.  Answers the whole job, or nothing when it is not to be had.
local key = job_key(arg.id)
local job = read_job(arg.id)
local at = redis.call('HMGET', key, 'trial', 'started')
-- A late message of another step must not use up the admission of this one.
if not job or job.step ~= arg.step or ENDED[job.state] then return nil end
if redis.call('ZREM', p .. 'admitted', arg.id) == 0 then return nil end

-- A gate closed, or a drain began, while the message was on its way: the job stays where it was.
local held = false
for _, gate in ipairs(closed_gates()[arg.step] or {}) do held = held or gate.name ~= at[1] end
if held or (arg.step == 'upload' and job.state ~= 'running' and redis.call('EXISTS', p .. 'draining') == 1) then
  redis.call('ZADD', due_set(job.step, job.lane), now, arg.id)
  if arg.step == 'poll' then -- its render goes on at the service
    redis.call('ZADD', p .. 'inflight:render', now + RENDER_HOLD_S, arg.id)
  elseif KIND[arg.step] then
    redis.call('ZREM', p .. 'inflight:' .. KIND[arg.step], arg.id)
  end
  return nil
end

if job.state == 'running' then -- its lease ended: the worker died
  redis.call('HINCRBY', key, 'crashes', 1)
  redis.call('HSET', key, 'lapsed', job.expires)
end
if tonumber(at[2] or 0) == 0 then redis.call('HSET', key, 'started', now) end
lease(arg.id, job, arg.fence, arg.owner, arg.lease_s)
return redis.call('HGETALL', key)
