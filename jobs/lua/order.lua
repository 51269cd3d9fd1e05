-- A person's word (retry, cancel), or the clock's: unfenced, and it fences whoever holds the job.
-- ARGV: prefix, id, now, states it may be in (comma-framed), new state, due ('' = not in the clock), then fields.
-- Answers the former state, or '' when the job is in none of those states, or nothing when there is no such job.
local p, id, now, state = ARGV[1], ARGV[2], ARGV[3], ARGV[5]
local job = p .. 'job:' .. id
local at = redis.call('HMGET', job, 'state', 'reason')
if not at[1] then return nil end
if not string.find(ARGV[4], ',' .. at[1] .. ',', 1, true) then return '' end
redis.call('HINCRBY', job, 'epoch', 1)
redis.call('HSET', job, 'state', state, 'until', 0, 'updated', now, 'reason', '', unpack(ARGV, 7))
redis.call('ZREM', p .. 'in:' .. at[1], id)
redis.call('ZADD', p .. 'in:' .. state, now, id)
if at[1] == 'parked' and at[2] then redis.call('ZREM', p .. 'parked:' .. at[2], id) end
if ARGV[6] == '' then
  for _, due in ipairs({'due', 'due:new', 'due:backlog'}) do redis.call('ZREM', p .. due, id) end
  redis.call('SREM', p .. 'working', id)
else
  redis.call('ZADD', p .. 'due', ARGV[6], id)
end
return at[1]
