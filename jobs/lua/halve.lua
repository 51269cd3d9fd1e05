-- The service asked to slow down: half as many at once, at most once in `cool_ms`.
-- ARGV: prefix, kind, most, cool_ms, now.  Answers the limit.
local limits, most = ARGV[1] .. 'limit:' .. ARGV[2], tonumber(ARGV[3])
local limit = math.min(most, tonumber(redis.call('GET', limits) or most))
if redis.call('SET', limits .. ':cool', 1, 'NX', 'PX', ARGV[4]) then
  limit = math.max(1, math.floor(math.min(limit, math.max(1, redis.call('ZCARD', ARGV[1] .. 'slots:' .. ARGV[2]))) / 2))
  redis.call('SET', limits, limit)
  redis.call('SET', limits .. ':most', most)
  redis.call('SET', limits .. ':grows', ARGV[5] + ARGV[4] / 1000)
end
return limit
