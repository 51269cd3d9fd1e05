-- Close a gate until it is probed; one that is closed keeps its beginning and the later of two probes.
-- {gate, closed: {since, probe_at, …}}.  Answers 1 when it was open, else 0.
local known = redis.call('HGET', p .. 'gates', arg.gate)
if known then
  local before = cjson.decode(known)
  arg.closed.since, arg.closed.probe_at = before.since, math.max(before.probe_at, arg.closed.probe_at)
end
redis.call('HSET', p .. 'gates', arg.gate, cjson.encode(arg.closed))
return known and 0 or 1
