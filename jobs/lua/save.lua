-- Save what a running step has reached.  {id, fence, fields}.  Answers 1, or 0 when the fencing token is stale.
local job = read_job(arg.id)
if not job or job.fence ~= arg.fence or job.state ~= 'running' then return 0 end
write_fields(arg.id, arg.fields)
return 1
