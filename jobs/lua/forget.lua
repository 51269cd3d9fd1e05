-- Let go of ended jobs.  {jobs: [{id, output_key, source_key (absent: the source is still there)}]}.  Answers how many.
local count = 0
for _, one in ipairs(arg.jobs) do
  local job = read_job(one.id)
  if job and ENDED[job.state] then
    redis.call('DEL', job_key(one.id))
    redis.call('ZREM', p .. 'in:' .. job.state, one.id)
    if redis.call('HGET', p .. 'outputs', one.output_key) == one.id then redis.call('HDEL', p .. 'outputs', one.output_key) end
    if one.source_key then redis.call('HDEL', p .. 'sources', one.source_key) end
    count = count + 1
  end
end
return count
