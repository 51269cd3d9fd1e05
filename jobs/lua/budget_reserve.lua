-- Set credits aside for a job before it pays, within the budget.  {id, credits, available (absent: not known)}
-- For a job that was ended meanwhile nothing is set aside: its worker can send nothing any more.
-- Answers 1 when they were (or there is no budget), else 0; then the budget's limit, spent, aside, edits, available and ever.
local key, field = p .. 'budget', 'job:' .. arg.id
if arg.available then redis.call('HSET', key, 'available', arg.available) end
local row, fits = redis.call('HMGET', key, 'limit', 'spent', 'aside'), true
local job = read_job(arg.id)
if not (job and ENDED[job.state]) and redis.call('HEXISTS', key, field) == 0 then
  fits = not row[1] or tonumber(row[2] or 0) + tonumber(row[3] or 0) + arg.credits <= tonumber(row[1])
  if fits then
    redis.call('HSET', key, field, arg.credits)
    redis.call('HINCRBYFLOAT', key, 'aside', arg.credits)
    redis.call('HINCRBY', key, 'edits', 1)
  end
end
return {fits and 1 or 0, unpack(redis.call('HMGET', key, 'limit', 'spent', 'aside', 'edits', 'available', 'ever'))}
