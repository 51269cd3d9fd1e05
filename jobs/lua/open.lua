-- Open a gate: its parked jobs are due now, where they stood.
-- ARGV: prefix, gate, now, limit, 1 when the gate itself opens (0: a single job is let through to try it).
-- Answers how many jobs went on; call again until it is 0.
local p, gate, now = ARGV[1], ARGV[2], ARGV[3]
if ARGV[5] == '1' then redis.call('HDEL', p .. 'gates', gate) end
local ids = redis.call('ZRANGE', p .. 'parked:' .. gate, 0, tonumber(ARGV[4]) - 1)
for _, id in ipairs(ids) do
  redis.call('HSET', p .. 'job:' .. id, 'state', 'queued', 'until', 0, 'updated', now,
    'reason', ARGV[5] == '1' and '' or 'trial:' .. gate)
  redis.call('ZREM', p .. 'parked:' .. gate, id)
  redis.call('ZREM', p .. 'in:parked', id)
  redis.call('ZADD', p .. 'in:queued', now, id)
  redis.call('ZADD', p .. 'due', now, id)
end
return #ids
