-- Give a slot back and call the first in line.  ARGV: prefix, kind, id, now, limit.
local p, kind, now = ARGV[1], ARGV[2], tonumber(ARGV[4])
local slots, line = p .. 'slots:' .. kind, p .. 'line:' .. kind
redis.call('ZREM', slots, ARGV[3])
redis.call('ZREM', line, ARGV[3])
local room = tonumber(ARGV[5]) - redis.call('ZCARD', slots)
while room > 0 do
  local next = redis.call('ZRANGE', line, 0, 0)[1]
  if not next then return end
  redis.call('ZREM', line, next)
  local job = p .. 'job:' .. next
  if redis.call('HGET', job, 'state') == 'waiting' then
    redis.call('HSET', job, 'until', 0)
    redis.call('ZADD', p .. 'due', now, next)
    room = room - 1
  end
end
