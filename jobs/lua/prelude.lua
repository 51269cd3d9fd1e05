-- What every script shares. `p` (the prefix of all keys) is set above; each script takes one JSON object.
local arg = cjson.decode(ARGV[1])
-- A host that was paused comes back with a clock that knows nothing of it, and may write before it has asked for the time:
-- nobody's time is earlier than what anybody was told.
local now = arg.now and math.max(arg.now, tonumber(redis.call('HGET', p .. 'clock', 'last') or 0) / 1000000)

local KIND = {upload = 'upload', edit = 'edit', render = 'render', poll = 'render', download = 'download'}
local LIMITED = {upload = true, edit = true, render = true, download = true} -- steps that are admitted within a limit
local ENDED = {done = true, failed = true, cancelled = true, unconfirmed = true}
local BACK_OFF_S, RENDER_HOLD_S, FAR_S = 10, 600, 86400
local FIRST = 0 -- the due time of what goes before all others
local AHEAD_S = 3600 -- a file dropped by hand stands so far before the backlog wherever both wait

local function job_key(id) return p .. 'job:' .. id end

local function due_set(step, lane)
  return p .. 'due:' .. (step == 'upload' and lane == 'backlog' and 'backlog' or step)
end

local function write_fields(id, fields)
  local flat = {}
  for name, value in pairs(fields or {}) do
    flat[#flat + 1] = name
    flat[#flat + 1] = value
  end
  if #flat > 0 then redis.call('HSET', job_key(id), unpack(flat)) end
end

local function read_job(id)
  local at = redis.call('HMGET', job_key(id), 'state', 'step', 'lane', 'group', 'fence', 'until', 'held')
  if not at[1] then return nil end
  return {
    state = at[1], step = at[2] or 'download', lane = at[3], group = at[4] or '', fence = at[5], expires = tonumber(at[6] or 0), held = at[7],
  }
end

-- A job whose folder is away waits in the held set of that gate; whatever else happens to it takes it out.
local function release(id, job)
  if not job.held then return end
  redis.call('ZREM', p .. 'held:' .. job.held, id)
  redis.call('HDEL', job_key(id), 'held')
end

-- Files of one shared session go one after the other: the first in line is due, the rest wait for it to end.
local function group_line(group) return p .. 'group:' .. group .. ':line' end

local function is_first(group, id)
  return redis.call('ZRANGE', group_line(group), 0, 0)[1] == id
end

local function join_group(group, id)
  local place = redis.call('HINCRBY', p .. 'group:' .. group, 'places', 1)
  redis.call('ZADD', group_line(group), 'NX', place, id)
end

local function leave_group(group, id)
  local was_first = is_first(group, id)
  redis.call('ZREM', group_line(group), id)
  if not was_first then return end
  local next_id = redis.call('ZRANGE', group_line(group), 0, 0)[1]
  local job = next_id and read_job(next_id)
  if job and job.state ~= 'running' and not ENDED[job.state] then
    redis.call('ZADD', due_set(job.step, job.lane), now, next_id)
  end
end

-- Move a job between the indexes: by state, the one due set it belongs to, and what it has in flight.
-- `due` is nil for a job that has ended. A render keeps its place in flight from one poll to the next.
local function move(id, job, state, step, due)
  local before, after = due_set(job.step, job.lane), due_set(step, job.lane)
  release(id, job)
  if not due then
    redis.call('ZREM', before, id)
  else
    if before ~= after then redis.call('ZREM', before, id) end
    if job.group ~= '' and not is_first(job.group, id) then due = now + FAR_S end
    if due <= now and job.lane ~= 'backlog' then due = due - AHEAD_S end
    redis.call('ZADD', after, due, id)
  end
  redis.call('ZREM', p .. 'in:' .. job.state, id)
  redis.call('ZADD', p .. 'in:' .. state, now, id)
  local kind = KIND[job.step]
  if kind then redis.call('ZREM', p .. 'inflight:' .. kind, id) end
  if due and step == 'poll' then redis.call('ZADD', p .. 'inflight:render', due + RENDER_HOLD_S, id) end
  if not due and job.group ~= '' then leave_group(job.group, id) end
end

-- Count what was set aside for a job as spent, or give it back.
local function settle_budget(id, paid)
  local key, field = p .. 'budget', 'job:' .. id
  local credits = redis.call('HGET', key, field)
  if not credits then return end
  redis.call('HDEL', key, field)
  redis.call('HINCRBYFLOAT', key, 'aside', -tonumber(credits))
  if paid then
    redis.call('HINCRBYFLOAT', key, 'spent', credits)
    redis.call('HINCRBYFLOAT', key, 'ever', credits)
  end
end

-- The first of these output names that nobody has, or whose owner made it of the same source and delivered nothing.
local function claim_output(id, source, outputs)
  for _, pair in ipairs(outputs) do
    local key, path = pair[1], pair[2]
    local owner = redis.call('HGET', p .. 'outputs', key)
    local free = not owner or owner == id
    if not free then
      local other = redis.call('HMGET', job_key(owner), 'state', 'source')
      free = not other[1] or (other[2] == source and (other[1] == 'failed' or other[1] == 'cancelled'))
    end
    if free then
      redis.call('HSET', p .. 'outputs', key, id)
      return path
    end
  end
  return ''
end

-- The closed gates that hold each step; and the folders that are away, by the names of their gates.
local function closed_gates()
  local held, away, rows = {}, {}, redis.call('HGETALL', p .. 'gates')
  for i = 1, #rows, 2 do
    if rows[i]:sub(1, 7) == 'source:' then away[rows[i]] = rows[i]:sub(8) end
    for _, step in ipairs(arg.holds[rows[i]] or {}) do
      held[step] = held[step] or {}
      table.insert(held[step], {name = rows[i], probe_at = cjson.decode(rows[i + 1]).probe_at})
    end
  end
  return held, away
end

-- A concurrency limit as it is now: until the first refusal it grows with each acceptance; from then on half as much
-- again for each 10 s that were clean and fully used.
local function read_limit(kind)
  local key, bounds = p .. 'limit:' .. kind, arg.limits[kind]
  local row = redis.call('HMGET', key, 'limit', 'refused', 'window', 'full', 'hold_until')
  local limit = {
    key = key, value = math.min(bounds.ceiling, tonumber(row[1] or bounds.initial)), ceiling = bounds.ceiling,
    refused = row[2] == '1', window = tonumber(row[3] or 0), full = row[4] == '1', hold_until = tonumber(row[5] or 0),
  }
  if limit.refused and limit.full and now >= limit.window + BACK_OFF_S then
    limit.value = math.min(limit.ceiling, math.ceil(limit.value * 1.5))
    limit.full = false
    redis.call('HSET', key, 'limit', limit.value, 'window', now, 'full', 0)
  end
  return limit
end

-- Whoever held what expires here died, or its message was lost: such a job goes before all others at its step.
local function count_in_flight(kind)
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', p .. 'inflight:' .. kind, '-inf', '(' .. now)) do
    redis.call('ZREM', p .. 'inflight:' .. kind, id)
    local job = read_job(id)
    if job and KIND[job.step] == kind then redis.call('ZADD', due_set(job.step, job.lane), 'XX', FIRST, id) end
  end
  return redis.call('ZCARD', p .. 'inflight:' .. kind)
end

-- How many more of a step may be in flight, by its limit and by its share of all workers' threads; and that limit.
local function count_free(step)
  local limit, threads = read_limit(step), tonumber(redis.call('GET', p .. 'threads'))
  local value = limit.value
  if threads then value = math.min(value, math.max(1, math.floor(threads * arg.limits[step].share))) end
  return value - count_in_flight(step), limit
end

-- Give a worker the lease of a job for the step it stands before.
local function lease(id, job, fence, owner, lease_s)
  redis.call('HSET', job_key(id), 'state', 'running', 'fence', fence, 'until', now + lease_s, 'owner', owner, 'updated', now)
  redis.call('ZREM', p .. 'in:' .. job.state, id)
  redis.call('ZADD', p .. 'in:running', now, id)
  redis.call('ZADD', due_set(job.step, job.lane), now + lease_s, id)
  if KIND[job.step] then redis.call('ZADD', p .. 'inflight:' .. KIND[job.step], now + lease_s, id) end
end

-- The service took one on: the limit may grow, if it is what holds the work back.
local function grow_limit(kind)
  local limit = read_limit(kind)
  if limit.refused then redis.call('HINCRBY', limit.key, 'accepted', 1) end
  if limit.hold_until > 0 then redis.call('HSET', limit.key, 'hold_until', 0, 'row', 0) end
  if not limit.refused and limit.value < limit.ceiling and 2 * count_in_flight(kind) >= limit.value then
    redis.call('HSET', limit.key, 'limit', limit.value + 1)
  end
end
