-- The clock: take what is due, and look at it again after `grace_s` in case its message is lost.
-- ARGV: prefix, now, limit, grace_s, room.  Answers triples (id, step, lane) to send; N clocks get each due job once.
-- What has begun goes first, up to `limit`; what is new (dropped by hand, then the backlog) fills the `room`. In one
-- line the oldest would go first: a whole backlog would be edited before the first render was looked at.
local p, now, grace = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[4])
local out = {}

local function take(due, lane, limit)
  local ids = limit > 0 and redis.call('ZRANGEBYSCORE', due, '-inf', now, 'LIMIT', 0, limit) or {}
  for _, id in ipairs(ids) do
    local at = redis.call('HMGET', p .. 'job:' .. id, 'state', 'step', 'reason')
    if not at[1] then
      redis.call('ZREM', due, id)
    elseif at[1] == 'parked' and redis.call('HEXISTS', p .. 'gates', at[3]) == 1 then
      redis.call('ZADD', due, now + 3600, id) -- the gate's opening brings it back; this is the safety net
    else
      if at[1] == 'parked' then
        redis.call('HSET', p .. 'job:' .. id, 'state', 'queued', 'until', 0, 'reason', '')
        redis.call('ZREM', p .. 'in:parked', id)
        redis.call('ZREM', p .. 'parked:' .. at[3], id)
        redis.call('ZADD', p .. 'in:queued', now, id)
      end
      -- The wait is over for whoever claims it, though his clock be behind by a few milliseconds.
      if at[1] == 'waiting' then redis.call('HSET', p .. 'job:' .. id, 'until', 0) end
      redis.call('ZADD', due, now + grace, id)
      out[#out + 1] = id
      out[#out + 1] = at[2]
      out[#out + 1] = lane
    end
  end
  return #ids
end

take(p .. 'due', 'begun', tonumber(ARGV[3]))
local room = tonumber(ARGV[5])
room = room - take(p .. 'due:new', 'new', room)
take(p .. 'due:backlog', 'backlog', room)
return out
