-- Claim the right to tell people of something: one caller gets it, however many ask.
-- ARGV: prefix, what, what was told of it last as the caller read it ('' = nothing), what is told now ('' = none).
-- Answers 1 when it is this caller's to tell, 0 when another was first.
local key = ARGV[1] .. 'told'
if (redis.call('HGET', key, ARGV[2]) or '') ~= ARGV[3] then return 0 end
if ARGV[4] == '' then
  redis.call('HDEL', key, ARGV[2])
else
  redis.call('HSET', key, ARGV[2], ARGV[4])
end
return 1
