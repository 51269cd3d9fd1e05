-- The next time at which a request may leave, all of them evenly apart, by the ledger's clock: the server's, but it never
-- goes back, or all would wait for as long as the step was.
-- {apart_us}.  Answers how many microseconds to wait.
local key, time = p .. 'rate:next', redis.call('TIME')
local row = redis.call('HMGET', p .. 'clock', 'last', 'shift')
local at = math.max(time[1] * 1000000 + time[2] + tonumber(row[2] or 0), tonumber(row[1] or 0))
local leaves = math.max(at, tonumber(redis.call('GET', key) or 0))
redis.call('SET', key, string.format('%.0f', leaves + arg.apart_us), 'PX', math.ceil((leaves - at + arg.apart_us) / 1000))
return leaves - at
