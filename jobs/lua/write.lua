-- A fenced write: refused when the epoch is stale or the job is no longer running.
-- ARGV: prefix, id, epoch, now, state ('' = stays running), until, due ('' = not in the clock), gate, then fields.
-- Answers 1 when written, 0 when refused.
local p, id, now, state = ARGV[1], ARGV[2], ARGV[4], ARGV[5]
local job = p .. 'job:' .. id
local at = redis.call('HMGET', job, 'epoch', 'state')
if at[1] ~= ARGV[3] or at[2] ~= 'running' then return 0 end
if #ARGV > 8 then redis.call('HSET', job, unpack(ARGV, 9)) end
if state == '' then return 1 end

redis.call('HSET', job, 'state', state, 'until', ARGV[6], 'updated', now)
redis.call('ZREM', p .. 'in:running', id)
redis.call('ZADD', p .. 'in:' .. state, now, id)
if ARGV[7] == '' or state == 'parked' then redis.call('SREM', p .. 'working', id) end
if ARGV[7] == '' then
  redis.call('ZREM', p .. 'due', id)
else
  redis.call('ZADD', p .. 'due', ARGV[7], id)
end
if state == 'parked' then redis.call('ZADD', p .. 'parked:' .. ARGV[8], now, id) end
return 1
