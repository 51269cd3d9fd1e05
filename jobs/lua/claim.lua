-- Take a lease on a job for one step, under a new epoch.
-- ARGV: prefix, id, step, now, lease_s, owner.  Answers the whole job, or nothing when it is not to be had.
local p, id, step, now, lease_s = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local job = p .. 'job:' .. id
local at = redis.call('HMGET', job, 'state', 'step', 'until', 'begun', 'started')
local state = at[1]
if not state or at[2] ~= step or tonumber(at[3]) > now then return nil end
if state ~= 'queued' and state ~= 'waiting' and state ~= 'running' then return nil end
if at[4] ~= '1' and redis.call('EXISTS', p .. 'draining') == 1 then return nil end

if state == 'running' then -- its lease ended: the holder died
  redis.call('HINCRBY', job, 'crashes', 1)
  redis.call('HSET', job, 'lapsed', at[3])
end
if at[4] ~= '1' then -- it begins
  redis.call('ZREM', p .. 'due:new', id)
  redis.call('ZREM', p .. 'due:backlog', id)
end
redis.call('HINCRBY', job, 'epoch', 1)
redis.call('HSET', job, 'state', 'running', 'until', now + lease_s, 'owner', ARGV[6], 'begun', 1, 'updated', now)
if tonumber(at[5]) == 0 then redis.call('HSET', job, 'started', now) end
redis.call('ZREM', p .. 'in:' .. state, id)
redis.call('ZADD', p .. 'in:running', now, id)
redis.call('SADD', p .. 'working', id)
redis.call('ZADD', p .. 'due', now + lease_s, id)
return redis.call('HGETALL', job)
