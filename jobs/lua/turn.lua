-- Take a group's turn, or stand in line for it: one job of a group at a time, first come, first served.
-- ARGV: prefix, group, id, now.  Answers 1 or 0.
local p, id, now = ARGV[1], ARGV[3], ARGV[4]
local group, line = p .. 'group:' .. ARGV[2], p .. 'line:group:' .. ARGV[2]

-- A turn ends with its job: one that was killed or cancelled gives it up without a word.
local function ended(other)
  local state = redis.call('HGET', p .. 'job:' .. other, 'state')
  return not state or state == 'done' or state == 'failed' or state == 'unconfirmed' or state == 'cancelled'
end

local holder = redis.call('HGET', group, 'holder')
redis.call('ZADD', line, 'NX', now, id)
if holder and holder ~= id and not ended(holder) then return 0 end
local first = holder == id and id or redis.call('ZRANGE', line, 0, 0)[1]
while first ~= id and ended(first) do
  redis.call('ZREM', line, first)
  first = redis.call('ZRANGE', line, 0, 0)[1]
end
if first ~= id then
  redis.call('HDEL', group, 'holder')
  local its = redis.call('HGET', p .. 'job:' .. first, 'state')
  if its == 'waiting' then
    redis.call('HSET', p .. 'job:' .. first, 'until', 0)
    redis.call('ZADD', p .. 'due', now, first)
  elseif its == 'running' then -- it was refused just now, and is about to wait
    redis.call('HSET', p .. 'job:' .. first, 'called', 1)
  end
  return 0
end
redis.call('HSET', group, 'holder', id)
redis.call('ZREM', line, id)
return 1
