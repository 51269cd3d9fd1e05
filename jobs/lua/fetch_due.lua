-- Admit what may run now: steps are served from the end, behind a closed gate nothing is touched, and each kind of work
-- takes as many as its limit allows. What is admitted is in flight until it is given back or expires.
-- No more are admitted than `most` that no worker has claimed yet: what workers cannot take up stays in the ledger.
-- Files of a watched folder that is away are set aside, so that those of other folders get their turn.
-- {now, lease_s, most, holds: {gate: [step]}, trials: {gate: true}, probe_s, limits: {kind: {initial, ceiling, share}}}
-- Answers triples (id, step, source). N schedulers get each due job once.
local WAITING_EDITS = 16
local PASSED_OVER = 500 -- so many files of folders that are away are set aside in one look, and so many taken back
local SERVED = {'download', 'poll', 'render', 'verify', 'edit', 'upload', 'backlog'}

local admitted = {}
local held, away = closed_gates()
redis.call('ZREMRANGEBYSCORE', p .. 'admitted', '-inf', '(' .. now)
local room = arg.most - redis.call('ZCARD', p .. 'admitted')
local draining = redis.call('EXISTS', p .. 'draining') == 1
for kind in pairs(arg.limits) do count_in_flight(kind) end

-- The gate of the folder that a file is in, if that is away.
local function find_away(id)
  if not next(away) then return nil end
  local at = redis.call('HMGET', job_key(id), 'source', 'spec')
  local root = cjson.decode(at[2]).root
  local name = root and 'source:' .. root
  return away[name] and at[1]:sub(1, #root) == root and name -- a file that was moved out of it is not away
end

for _, name in ipairs(redis.call('ZRANGE', p .. 'held', 0, -1)) do
  local key = p .. 'held:' .. name
  local rows = away[name] and {} or redis.call('ZRANGE', key, 0, PASSED_OVER - 1, 'WITHSCORES')
  for i = 1, #rows, 2 do
    local job = read_job(rows[i])
    redis.call('ZREM', key, rows[i])
    redis.call('HDEL', job_key(rows[i]), 'held')
    if job and (job.state ~= 'running' or job.expires <= now) then
      redis.call('ZADD', due_set(job.step, job.lane), 'XX', rows[i + 1], rows[i])
    end
  end
  if redis.call('EXISTS', key) == 0 then redis.call('ZREM', p .. 'held', name) end
end

local function admit(id, step, set, gate)
  local job = read_job(id)
  if not job or ENDED[job.state] or due_set(job.step, job.lane) ~= set then
    redis.call('ZREM', set, id)
    return false
  end
  if job.group ~= '' and not is_first(job.group, id) then
    redis.call('ZADD', set, now + FAR_S, id)
    return false
  end
  local gone = step == 'upload' and find_away(id)
  if gone then
    redis.call('ZADD', p .. 'held', now, gone)
    redis.call('ZADD', p .. 'held:' .. gone, redis.call('ZSCORE', set, id), id)
    redis.call('HSET', job_key(id), 'held', gone)
    redis.call('ZADD', set, now + FAR_S, id)
    return false
  end
  redis.call('ZADD', set, now + arg.lease_s, id)
  if KIND[step] then redis.call('ZADD', p .. 'inflight:' .. KIND[step], now + arg.lease_s, id) end
  redis.call('HSET', job_key(id), 'trial', gate or '')
  redis.call('ZADD', p .. 'admitted', now + arg.lease_s, id)
  admitted[#admitted + 1] = id
  admitted[#admitted + 1] = step
  admitted[#admitted + 1] = redis.call('HGET', job_key(id), 'source')
  return true
end

-- Whether as many files wait for their edit as may be edited at once: a session that is opened hours before may be gone.
local function has_enough_to_edit()
  local waiting = redis.call('ZCOUNT', p .. 'due:edit', '-inf', now)
  return waiting >= WAITING_EDITS and waiting >= read_limit('edit').value
end

for _, name in ipairs(SERVED) do
  local step, set = name == 'backlog' and 'upload' or name, p .. 'due:' .. name
  local most, gates, trial = room - #admitted / 3, held[step], nil
  if gates then
    local only = #gates == 1 and gates[1]
    trial = only and arg.trials[only.name] and only.probe_at <= now and only.name or nil
    most = trial and math.min(1, most) or 0
  end
  if step == 'upload' and draining then most = 0 end
  if name == 'backlog' and most > 0 and has_enough_to_edit() then
    most = math.min(most, redis.call('ZCOUNT', set, FIRST, FIRST)) -- what a worker that died had begun
  end
  if most > 0 and #redis.call('ZRANGEBYSCORE', set, '-inf', now, 'LIMIT', 0, 1) > 0 then
    local free, limit, count = nil, nil, 0
    if LIMITED[step] then
      free, limit = count_free(step)
      most = limit.hold_until > now and 0 or math.min(most, free)
    end
    local looked = 0
    while count < most and looked < PASSED_OVER do
      local ids = redis.call('ZRANGEBYSCORE', set, '-inf', now, 'LIMIT', 0, most - count)
      if #ids == 0 then break end
      looked = looked + #ids
      for _, id in ipairs(ids) do
        if admit(id, step, set, trial) then
          count = count + 1
          if trial then
            local gate = cjson.decode(redis.call('HGET', p .. 'gates', trial))
            gate.probe_at = now + arg.probe_s
            redis.call('HSET', p .. 'gates', trial, cjson.encode(gate))
          end
        end
      end
    end
    if limit and limit.refused and not limit.full and count >= free then redis.call('HSET', limit.key, 'full', 1) end
  end
end
return admitted
