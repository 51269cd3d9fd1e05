-- The clock: take what is due, and look at it again after `grace_s` in case its message is lost.
-- ARGV: prefix, now, limit, grace_s.  Answers triples (id, step, lane) to send; N clocks get each due job once.
local p, now, grace = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[4])
local out = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', p .. 'due', '-inf', now, 'LIMIT', 0, ARGV[3])) do
  local at = redis.call('HMGET', p .. 'job:' .. id, 'state', 'step', 'begun', 'priority', 'reason')
  if not at[1] then
    redis.call('ZREM', p .. 'due', id)
  elseif at[1] == 'parked' and redis.call('HEXISTS', p .. 'gates', at[5]) == 1 then
    redis.call('ZADD', p .. 'due', now + 3600, id) -- the gate's opening brings it back; this is the safety net
  else
    if at[1] == 'parked' then
      redis.call('HSET', p .. 'job:' .. id, 'state', 'queued', 'until', 0, 'reason', '')
      redis.call('ZREM', p .. 'in:parked', id)
      redis.call('ZREM', p .. 'parked:' .. at[5], id)
      redis.call('ZADD', p .. 'in:queued', now, id)
    end
    -- The wait is over for whoever claims it, though his clock be behind by a few milliseconds.
    if at[1] == 'waiting' then redis.call('HSET', p .. 'job:' .. id, 'until', 0) end
    redis.call('ZADD', p .. 'due', now + grace, id)
    local lane = (at[3] == '1' or tonumber(at[4] or '0') <= 0) and 'fresh' or 'backlog'
    out[#out + 1] = id
    out[#out + 1] = at[2]
    out[#out + 1] = lane
  end
end
return out
