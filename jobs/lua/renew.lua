-- Heartbeat: prolong leases.  ARGV: prefix, now, lease_s, then pairs (id, epoch).  Answers the ids that are lost.
local p, ends = ARGV[1], tonumber(ARGV[2]) + tonumber(ARGV[3])
local lost = {}
for i = 4, #ARGV, 2 do
  local job = p .. 'job:' .. ARGV[i]
  local at = redis.call('HMGET', job, 'epoch', 'state')
  if at[1] == ARGV[i + 1] and at[2] == 'running' then
    redis.call('HSET', job, 'until', ends)
    redis.call('ZADD', p .. 'due', ends, ARGV[i])
  else
    lost[#lost + 1] = ARGV[i]
  end
end
return lost
