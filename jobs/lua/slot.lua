-- Take a slot of a kind, or stand in line.  ARGV: prefix, kind, id, now, limit, hold_s.  Answers 1 or 0.
local p, kind, id, now, limit = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local slots, line = p .. 'slots:' .. kind, p .. 'line:' .. kind
redis.call('ZREMRANGEBYSCORE', slots, '-inf', now)
if redis.call('ZSCORE', slots, id) or redis.call('ZCARD', slots) < limit then
  redis.call('ZADD', slots, now + tonumber(ARGV[6]), id)
  redis.call('ZREM', line, id)
  return 1
end
redis.call('ZADD', line, 'NX', now, id)
return 0
