-- Take on the probe of a closed gate whose time has come; it is probed again at `again_at`.
-- {now, gate, again_at}.  Answers 1 for one caller, however many ask; else 0.
local known = redis.call('HGET', p .. 'gates', arg.gate)
local closed = known and cjson.decode(known)
if not closed or closed.probe_at > now then return 0 end
closed.probe_at = arg.again_at
redis.call('HSET', p .. 'gates', arg.gate, cjson.encode(closed))
return 1
