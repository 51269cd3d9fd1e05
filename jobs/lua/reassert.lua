-- A worker that follows an open stream found its lease gone. When the ledger has lost the record that the instruction was
-- sent (it came back older than it was), put that record back, so that nobody sends it again.
-- {id, now, current, fields, due}.  Answers 1 when it was put back, 0 when the ledger knows better.
local job = read_job(arg.id)
if not job or ENDED[job.state] then return 0 end
local at = redis.call('HMGET', job_key(arg.id), 'instructions')
local list = at[1] and at[1] ~= '' and cjson.decode(at[1]) or {}
local one = list[arg.current + 1]
if one and one.status and one.status ~= 'pending' then return 0 end
write_fields(arg.id, arg.fields)
redis.call('HDEL', job_key(arg.id), 'trial')
redis.call('ZREM', p .. 'admitted', arg.id)
redis.call('HSET', job_key(arg.id), 'state', 'waiting', 'step', 'edit', 'fence', '', 'until', arg.due, 'updated', now)
move(arg.id, job, 'waiting', 'edit', arg.due)
return 1
