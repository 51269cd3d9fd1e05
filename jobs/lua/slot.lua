-- Take a slot of a kind, or stand in line.
-- ARGV: prefix, kind, id, now, most, 1 when a holder must be running (else it must only be unfinished).
-- Answers 1 or 0.
local p, kind, id, now = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local slots, line = p .. 'slots:' .. kind, p .. 'line:' .. kind
local limit = math.min(tonumber(ARGV[5]), tonumber(redis.call('GET', p .. 'limit:' .. kind) or ARGV[5]))

-- A holder that died or ended without leaving gives its slot back; looked for at most once a second.
local function lives(holder)
  local at = redis.call('HMGET', p .. 'job:' .. holder, 'state', 'until')
  if at[1] == 'waiting' and at[2] == '0' then return true end -- called from the line, and on its way
  if ARGV[6] == '1' then return at[1] == 'running' and tonumber(at[2]) > now end
  return at[1] == 'running' or at[1] == 'queued' or at[1] == 'waiting' or at[1] == 'parked'
end
if redis.call('ZCARD', slots) >= limit and redis.call('SET', slots .. ':swept', 1, 'NX', 'PX', 1000) then
  for _, holder in ipairs(redis.call('ZRANGE', slots, 0, -1)) do
    if not lives(holder) then redis.call('ZREM', slots, holder) end
  end
end

if redis.call('ZSCORE', slots, id) or redis.call('ZCARD', slots) < limit then
  redis.call('ZADD', slots, 'NX', now, id)
  redis.call('ZREM', line, id)
  return 1
end
redis.call('ZADD', line, 'NX', now, id)
redis.call('SET', p .. 'limit:' .. kind .. ':most', ARGV[5]) -- who leaves calls the next, and must know it
return 0
