-- Claim the right to notify people of something: one caller gets it, however many ask.
-- {subject, known ('' = nothing was), mark ('' = none from now on)}.  Answers 1 when it is this caller's, else 0.
local key = p .. 'notices'
if (redis.call('HGET', key, arg.subject) or '') ~= arg.known then return 0 end
if arg.mark == '' then redis.call('HDEL', key, arg.subject) else redis.call('HSET', key, arg.subject, arg.mark) end
return 1
