-- The ledger's time: the server's, but it never goes back and is never set. A server whose clock was set back goes on from
-- where it was, or whatever is due would wait for as long as the step was. One whose clock was set forward does too, or
-- every lease would seem to have ended: it is known by a caller whose own clock shows less, and that nobody has seen more.
-- A worker that asks says how many threads it has.
-- {expected_us (absent: the caller's clock says nothing yet), sure (its last look was quick), worker, threads (absent: no worker)}
-- Answers {time in microseconds, microseconds it was moved by just now, 1 when it seems to have been set forward}.
local SLACK_US = 1000000
-- Workers ask each 5 s: with another one alive, whoever finds the server so far ahead was paused, and is told the time. A
-- step that is smaller ends no lease that is renewed each 10 s.
local FORWARD_US = 10000000
local time = redis.call('TIME')
local key, at = p .. 'clock', time[1] * 1000000 + time[2]
local row = redis.call('HMGET', key, 'last', 'shift')
local last, shift, moved = tonumber(row[1] or 0), tonumber(row[2] or 0), 0
if at + shift < last - SLACK_US then
  moved = math.max(last, arg.expected_us or 0) - (at + shift)
elseif arg.expected_us and at + shift > arg.expected_us + FORWARD_US and last <= arg.expected_us + SLACK_US then
  if not arg.sure then return {string.format('%.0f', at + shift), '0', '1'} end
  moved = arg.expected_us - (at + shift)
end
shift = shift + moved
at = math.max(at + shift, last)
redis.call('HSET', key, 'last', string.format('%.0f', at), 'shift', string.format('%.0f', shift))
if arg.worker then
  local total = 0
  redis.call('HSET', p .. 'workers', arg.worker, cjson.encode({threads = arg.threads, seen = at}))
  local rows = redis.call('HGETALL', p .. 'workers')
  for i = 1, #rows, 2 do
    local other = cjson.decode(rows[i + 1])
    if other.seen < at - 30000000 then
      redis.call('HDEL', p .. 'workers', rows[i])
    else
      total = total + other.threads
    end
  end
  redis.call('SET', p .. 'threads', total, 'EX', 60)
end
return {string.format('%.0f', at), string.format('%.0f', moved), '0'}
