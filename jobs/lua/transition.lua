-- Move a job at a person's command, whoever holds it: the holder's fencing token is stale afterwards.
-- {id, now, among: {state: true}, state, step (absent: as it is), due (absent: it has ended), outputs (absent: the name stays),
--  fields, delete}
-- Answers the former state, '' when the job is in none of those states, nothing when there is no such job.
local job = read_job(arg.id)
if not job then return nil end
if not arg.among[job.state] then return '' end
local key, step = job_key(arg.id), arg.step or job.step
if arg.outputs then
  local at = redis.call('HMGET', key, 'source', 'output')
  redis.call('HSET', key, 'output', claim_output(arg.id, at[1], arg.outputs))
end
write_fields(arg.id, arg.fields)
redis.call('HDEL', key, 'trial', unpack(arg.delete))
redis.call('ZREM', p .. 'admitted', arg.id)
redis.call('HSET', key, 'state', arg.state, 'step', step, 'until', 0, 'updated', now, 'fence', '', 'reason', '')
if arg.due and job.group ~= '' then join_group(job.group, arg.id) end
move(arg.id, job, arg.state, step, arg.due)
if not arg.due then settle_budget(arg.id, true) end
if arg.due then redis.call('PUBLISH', p .. 'ring', 'transition') end
return job.state
