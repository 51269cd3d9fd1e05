-- Give a slot back and call the next in line; after as many clean uses as there are slots, allow one more.
-- ARGV: prefix, kind, id, now, most, 1 when the use was clean.
local p, kind, now, most = ARGV[1], ARGV[2], tonumber(ARGV[4]), tonumber(ARGV[5])
local slots, line, limits = p .. 'slots:' .. kind, p .. 'line:' .. kind, p .. 'limit:' .. kind
local held = redis.call('ZREM', slots, ARGV[3])
redis.call('ZREM', line, ARGV[3])
local limit = math.min(most, tonumber(redis.call('GET', limits) or most))
if held == 1 and ARGV[6] == '1' and limit < most then
  if redis.call('INCR', limits .. ':clean') >= limit then
    limit = limit + 1
    redis.call('SET', limits, limit)
    redis.call('DEL', limits .. ':clean')
  end
end
local room = limit - redis.call('ZCARD', slots)
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
