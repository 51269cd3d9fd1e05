-- Give a group's turn up, or the place in its line, and call the next.
-- ARGV: prefix, group, id, now.
local p, id = ARGV[1], ARGV[3]
local group, line = p .. 'group:' .. ARGV[2], p .. 'line:group:' .. ARGV[2]
redis.call('ZREM', line, id)
local holder = redis.call('HGET', group, 'holder')
if holder and holder ~= id then return end
redis.call('HDEL', group, 'holder')
-- Without a holder the next is called too: this one may have been called, and leaves without its turn.
for _, next in ipairs(redis.call('ZRANGE', line, 0, -1)) do
  local its = redis.call('HGET', p .. 'job:' .. next, 'state')
  if its == 'running' then -- it was refused just now, and is about to wait
    redis.call('HSET', p .. 'job:' .. next, 'called', 1)
    return
  elseif its == 'waiting' then
    redis.call('HSET', p .. 'job:' .. next, 'until', 0)
    redis.call('ZADD', p .. 'due', ARGV[4], next)
    return
  end
end
