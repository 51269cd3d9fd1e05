-- The next time at which a request may leave, all of them evenly apart; by the server's clock.
-- ARGV: prefix, microseconds from one to the next.  Answers how many microseconds to wait.
local key, apart = ARGV[1] .. 'rate:next', tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local leaves = math.max(now, tonumber(redis.call('GET', key) or 0))
redis.call('SET', key, string.format('%.0f', leaves + apart), 'PX', math.ceil((leaves - now + apart) / 1000))
return leaves - now
