-- A fenced write: refused when the epoch is stale or the job is no longer running.
-- ARGV: prefix, id, epoch, now, state ('' = stays running), until, due ('' = not in the clock), gate, then fields.
-- Answers 1 when written, 0 when refused.
local p, id, now, state, ends, due = ARGV[1], ARGV[2], ARGV[4], ARGV[5], ARGV[6], ARGV[7]
local job = p .. 'job:' .. id
local at = redis.call('HMGET', job, 'epoch', 'state')
if at[1] ~= ARGV[3] or at[2] ~= 'running' then return 0 end
if #ARGV > 8 then redis.call('HSET', job, unpack(ARGV, 9)) end
if state == '' then return 1 end

-- The gate may have opened since it was looked at; whoever parks behind it then would be forgotten.
if state == 'parked' and redis.call('HEXISTS', p .. 'gates', ARGV[8]) == 0 then
  state, ends, due = 'queued', 0, now
  redis.call('HSET', job, 'reason', '')
end
redis.call('HSET', job, 'state', state, 'until', ends, 'updated', now)
redis.call('ZREM', p .. 'in:running', id)
redis.call('ZADD', p .. 'in:' .. state, now, id)
if due == '' or state == 'parked' then redis.call('SREM', p .. 'working', id) end
if due == '' then
  redis.call('ZREM', p .. 'due', id)
else
  redis.call('ZADD', p .. 'due', due, id)
end
if state == 'parked' then redis.call('ZADD', p .. 'parked:' .. ARGV[8], now, id) end
return 1
