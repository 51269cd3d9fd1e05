-- Set credits aside for a job before it pays, within the budget.
-- ARGV: prefix, id, credits, what the account has ('' = not known).
-- Answers 1 when they were (or there is no budget), else 0.
local key, id, credits = ARGV[1] .. 'budget', ARGV[2], tonumber(ARGV[3])
if ARGV[4] ~= '' then redis.call('HSET', key, 'available', ARGV[4]) end
local limit = redis.call('HGET', key, 'limit')
if redis.call('HEXISTS', key, 'job:' .. id) == 1 then return 1 end
local spent = tonumber(redis.call('HGET', key, 'spent') or 0)
local aside = tonumber(redis.call('HGET', key, 'aside') or 0)
if limit and spent + aside + credits > tonumber(limit) then return 0 end
redis.call('HSET', key, 'job:' .. id, credits)
redis.call('HINCRBYFLOAT', key, 'aside', credits)
redis.call('HINCRBY', key, 'edits', 1)
return 1
