-- Turn what was set aside into spent (1) or give it back (0).  ARGV: prefix, id, 1 or 0.
local key, field = ARGV[1] .. 'budget', 'job:' .. ARGV[2]
local credits = redis.call('HGET', key, field)
if not credits then return 0 end
redis.call('HDEL', key, field)
redis.call('HINCRBYFLOAT', key, 'aside', -credits)
if ARGV[3] == '1' then
  redis.call('HINCRBYFLOAT', key, 'spent', credits)
  redis.call('HINCRBYFLOAT', key, 'ever', credits) -- never counted anew: what is spent in all
end
return 1
