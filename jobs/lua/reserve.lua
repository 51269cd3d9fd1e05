-- Set credits aside for a job before it pays, within the budget.
-- ARGV: prefix, id, credits, what the account has ('' = not known).
-- Answers 1 when they were (or there is no budget) else 0; then the budget's limit, spent, aside and edits.
local key, id, credits = ARGV[1] .. 'budget', ARGV[2], tonumber(ARGV[3])
if ARGV[4] ~= '' then redis.call('HSET', key, 'available', ARGV[4]) end
local row = redis.call('HMGET', key, 'limit', 'spent', 'aside')
local has, fits = redis.call('HEXISTS', key, 'job:' .. id) == 1, true
if not has then
  fits = not row[1] or tonumber(row[2] or 0) + tonumber(row[3] or 0) + credits <= tonumber(row[1])
  if fits then
    redis.call('HSET', key, 'job:' .. id, credits)
    redis.call('HINCRBYFLOAT', key, 'aside', credits)
    redis.call('HINCRBY', key, 'edits', 1)
  end
end
return {fits and 1 or 0, unpack(redis.call('HMGET', key, 'limit', 'spent', 'aside', 'edits', 'available', 'ever'))}
