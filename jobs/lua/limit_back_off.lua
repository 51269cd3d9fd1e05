-- The service refused one of a kind: half as many at once, at most once in 10 s, and none of that kind for a moment that
-- grows while refusals follow each other. A limit of few stays as it is while the service takes on a third of what it
-- gets: it refuses for another reason then, and less at once would not help.  {now, kind, limits}.  Answers the limit.
local FEW = 8
local limit = read_limit(arg.kind)
local last = tonumber(redis.call('HGET', limit.key, 'backed_off') or 0)
local refusals = redis.call('HINCRBY', limit.key, 'refusals', 1)
if now >= last + BACK_OFF_S then
  local taken_on = tonumber(redis.call('HGET', limit.key, 'accepted') or 0)
  if limit.value > FEW or refusals > 2 * taken_on then
    limit.value = math.max(1, math.floor(math.min(limit.value, math.max(2, count_in_flight(arg.kind))) / 2))
  end
  redis.call('HSET', limit.key, 'limit', limit.value, 'backed_off', now, 'window', now, 'full', 0, 'refusals', 0, 'accepted', 0)
end
local row = redis.call('HINCRBY', limit.key, 'row', 1)
redis.call('HSET', limit.key, 'refused', 1, 'hold_until', now + math.min(30, 0.5 * 2 ^ (row - 1)))
return limit.value
