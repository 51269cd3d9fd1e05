-- A fenced write: refused when the epoch is stale or the job is no longer running.
-- ARGV: prefix, id, epoch, now, state ('' = stays running), until, due ('' = not in the clock), gate,
--       'through' when the step is, 'line' when the job stands in line, step, queue and text of a message to send
--       ('' = none), then fields.
-- Answers 1 when written, 0 when refused.
local p, id, now, state, ends, due = ARGV[1], ARGV[2], ARGV[4], ARGV[5], ARGV[6], ARGV[7]
local came, step = ARGV[9], ARGV[10]
local job = p .. 'job:' .. id
local at = redis.call('HMGET', job, 'epoch', 'state')
if at[1] ~= ARGV[3] or at[2] ~= 'running' then return 0 end
if #ARGV > 12 then redis.call('HSET', job, unpack(ARGV, 13)) end
if state == '' then return 1 end
if ARGV[11] ~= '' then redis.call('LPUSH', ARGV[11], ARGV[12]) end

-- The gate may have opened since it was looked at; whoever parks behind it then would be forgotten.
if state == 'parked' and redis.call('HEXISTS', p .. 'gates', ARGV[8]) == 0 then
  state, ends, due = 'queued', 0, now
  redis.call('HSET', job, 'reason', '')
end
redis.call('HSET', job, 'state', state, 'until', ends, 'updated', now)
redis.call('ZREM', p .. 'in:running', id)
redis.call('ZADD', p .. 'in:' .. state, now, id)
if due == '' or state == 'parked' then redis.call('SREM', p .. 'working', id) end
if due == '' then
  redis.call('ZREM', p .. 'due', id)
else
  redis.call('ZADD', p .. 'due', due, id)
end
if state == 'parked' then redis.call('ZADD', p .. 'parked:' .. ARGV[8], now, id) end

-- How many may hold a slot. A 429 has halved it; half as many again are allowed each ten seconds in which one
-- came through, up to the most there may be.
local function limit_of(limits, most, proven)
  local time = tonumber(now)
  local limit = math.min(most, tonumber(redis.call('GET', limits) or most))
  if proven and limit < most and time >= tonumber(redis.call('GET', limits .. ':grows') or 0) then
    limit = math.min(most, math.ceil(limit * 1.5))
    redis.call('SET', limits, limit)
    redis.call('SET', limits .. ':grows', time + 10)
  end
  return limit
end

-- Hand what is free to the next in line, and call them: left open, whoever comes by would take it, and those who
-- wait would wait for ever.
local function hand_over(kind, proven)
  local slots, line, limits = p .. 'slots:' .. kind, p .. 'line:' .. kind, p .. 'limit:' .. kind
  local most = tonumber(redis.call('GET', limits .. ':most'))
  if not most then return end -- nobody ever stood in line
  local room = limit_of(limits, most, proven) - redis.call('ZCARD', slots)
  while room > 0 do
    local next = redis.call('ZRANGE', line, 0, 0)[1]
    if not next then return end
    redis.call('ZREM', line, next)
    local its = redis.call('HGET', p .. 'job:' .. next, 'state')
    if its == 'waiting' then
      redis.call('HSET', p .. 'job:' .. next, 'until', 0)
      redis.call('ZADD', p .. 'due', now, next)
    elseif its == 'running' then -- it was refused just now, and is about to wait
      redis.call('HSET', p .. 'job:' .. next, 'called', 1)
    end
    if its == 'waiting' or its == 'running' then
      redis.call('ZADD', slots, now, next)
      room = room - 1
    end
  end
end

local function leave(kind)
  if state ~= 'waiting' then redis.call('ZREM', p .. 'line:' .. kind, id) end
  if redis.call('ZREM', p .. 'slots:' .. kind, id) == 1 then hand_over(kind, came == 'through') end
end

-- It may have been called between the refusal and the wait: then there is nothing to wait for.
if came == 'line' and redis.call('HDEL', job, 'called') == 1 then
  redis.call('HSET', job, 'until', 0)
  redis.call('ZADD', p .. 'due', now, id)
  return 1
end
leave('edit')
leave('transfer')
-- A render goes on without its job being run: its slot is kept from one look to the next, behind a gate too.
if step ~= 'poll' or (state ~= 'waiting' and state ~= 'queued' and state ~= 'parked') then
  leave('render')
elseif came == 'through' then
  hand_over('render', true) -- it was taken on: that much the service allows
end
return 1
