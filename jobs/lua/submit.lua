-- Take a job in, once: the atomic claim on its identity and on its output's name.
-- ARGV: prefix, id, now, state, source, source key, source note, n, n pairs (output key, output), then fields.
-- Answers {1, output} for a new job, {0, state} when the identity is there already.
local p, id, now, state, source = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local job = p .. 'job:' .. id
redis.call('HSET', p .. 'sources', ARGV[6], ARGV[7])
if redis.call('EXISTS', job) == 1 then
  return {0, redis.call('HGET', job, 'state')}
end

-- A name is free when nobody has it, or when its holder came from this very source and delivered nothing.
local function free(key)
  local holder = redis.call('HGET', p .. 'outputs', key)
  if not holder then return true end
  local other = redis.call('HMGET', p .. 'job:' .. holder, 'state', 'source')
  return other[2] == source and (other[1] == 'failed' or other[1] == 'cancelled')
end

local n, output = tonumber(ARGV[8]), nil
for i = 9, 8 + 2 * n, 2 do
  if not output and free(ARGV[i]) then
    output = ARGV[i + 1]
    redis.call('HSET', p .. 'outputs', ARGV[i], id)
  end
end

redis.call('HSET', job, 'state', state, 'epoch', 0, 'attempts', 0, 'crashes', 0, 'until', 0, 'begun', 0,
  'source', source, 'output', output, 'updated', now, unpack(ARGV, 9 + 2 * n))
redis.call('ZADD', p .. 'in:' .. state, now, id)
if state == 'queued' then
  local backlog = tonumber(redis.call('HGET', job, 'priority') or '0') > 0
  redis.call('ZADD', p .. (backlog and 'due:backlog' or 'due:new'), now, id)
end
return {1, output}
