-- A job's file was moved before it was uploaded: the job goes on with it where it is now.
-- ARGV: prefix, id, now, the source it has, the source it gets, the class of the error for a lost source,
-- the spec it gets.
-- Answers 1, or 0 when the job has another source, has been uploaded, runs, or has ended otherwise.
local p, id, now = ARGV[1], ARGV[2], ARGV[3]
local job = p .. 'job:' .. id
local at = redis.call('HMGET', job, 'state', 'step', 'source', 'problem', 'checkpoint')
local state = at[1]
if at[2] ~= 'upload' or at[3] ~= ARGV[4] then return 0 end
if at[5] and at[5] ~= '' and cjson.decode(at[5]).upload then return 0 end

if state == 'failed' then
  if not at[4] or at[4] == '' or cjson.decode(at[4]).kind ~= ARGV[6] then return 0 end
  redis.call('HINCRBY', job, 'epoch', 1)
  redis.call('HSET', job, 'state', 'queued', 'attempts', 0, 'started', 0, 'until', 0, 'problem', '', 'updated', now)
  redis.call('ZREM', p .. 'in:failed', id)
  redis.call('ZADD', p .. 'in:queued', now, id)
  redis.call('ZADD', p .. 'due', now, id)
elseif state ~= 'queued' and state ~= 'waiting' and state ~= 'parked' then
  return 0
end
redis.call('HSET', job, 'source', ARGV[5], 'spec', ARGV[7])
return 1
