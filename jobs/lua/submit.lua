-- Take a job in, once: claim its identity and the name of its output.
-- {id, now, state, source, source_key, note, outputs: [[key, path]], lane, group, fields}
-- Answers {1, output} for a new job, {0, state} when the identity is there already.
redis.call('HSET', p .. 'sources', arg.source_key, arg.note .. ' ' .. arg.id)
local known = redis.call('HGET', job_key(arg.id), 'state')
if known then return {0, known} end

local output = claim_output(arg.id, arg.source, arg.outputs)
write_fields(arg.id, arg.fields)
redis.call('HSET', job_key(arg.id), 'state', arg.state, 'step', 'upload', 'lane', arg.lane, 'group', arg.group,
  'source', arg.source, 'output', output, 'updated', now)
redis.call('ZADD', p .. 'in:' .. arg.state, now, arg.id)
if arg.state == 'queued' then
  local due = now
  if arg.group ~= '' then
    join_group(arg.group, arg.id)
    if not is_first(arg.group, arg.id) then due = now + FAR_S end
  end
  redis.call('ZADD', due_set('upload', arg.lane), due, arg.id)
  redis.call('PUBLISH', p .. 'ring', 'submit')
end
return {1, output}
