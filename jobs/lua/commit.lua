-- End the running of a step, fenced: the job's next state, step and time.
-- {id, fence, now, state, step, due (absent: it has ended), fields, accepted (kind), passed (the trial did), limits,
--  paid (what was set aside is spent), unmark (the key of a source that is seen no longer), claim: {fence, owner, lease_s} (absent: the worker goes on with other work), holds}
-- Answers 1 when written, 2 when the worker was given the next step too, 0 when the fencing token is stale.
local job = read_job(arg.id)
if job and arg.claim and job.fence == arg.claim.fence and job.state == 'running' then return 2 end -- the answer was lost
if not job or job.fence ~= arg.fence or job.state ~= 'running' then return 0 end
local key = job_key(arg.id)

-- Whether the next step may run now, as the scheduler would decide. Who waits for its turn longer goes first.
local function may_go_on()
  if closed_gates()[arg.step] then return false end
  if not LIMITED[arg.step] then return true end
  if #redis.call('ZRANGEBYSCORE', due_set(arg.step), '-inf', now, 'LIMIT', 0, 1) > 0 then return false end
  local free, limit = count_free(arg.step)
  if free < 1 or limit.hold_until > now then return false end
  if free == 1 and limit.refused and not limit.full then redis.call('HSET', limit.key, 'full', 1) end
  return true
end

local trial = redis.call('HGET', key, 'trial')
if arg.accepted then grow_limit(arg.accepted) end
if arg.passed and trial and trial ~= '' then redis.call('HDEL', p .. 'gates', trial) end
if arg.state == 'done' then -- begin the hash again: one that was long once keeps the room of a long one
  local kept = redis.call('HMGET', key, 'source', 'output')
  redis.call('DEL', key)
  redis.call('HSET', key, 'source', kept[1] or '', 'output', kept[2] or '')
end
write_fields(arg.id, arg.fields)
if arg.state == 'done' then
  redis.call('HSET', key, 'state', 'done', 'updated', string.format('%d', math.floor(now)))
else
  redis.call('HSET', key, 'state', arg.state, 'step', arg.step, 'until', arg.due or 0, 'updated', now, 'fence', '')
  redis.call('HDEL', key, 'trial', 'owner')
end
local mark = arg.unmark and redis.call('HGET', p .. 'sources', arg.unmark)
if mark and string.sub(mark, -#arg.id) == arg.id then redis.call('HDEL', p .. 'sources', arg.unmark) end
local goes_on = arg.claim and may_go_on()
move(arg.id, job, arg.state, arg.step, arg.due)
if not arg.due or arg.paid then settle_budget(arg.id, true) end
if not goes_on then return 1 end
job.state, job.step = arg.state, arg.step
redis.call('HSET', key, 'started', now)
lease(arg.id, job, arg.claim.fence, arg.claim.owner, arg.claim.lease_s)
return 2
