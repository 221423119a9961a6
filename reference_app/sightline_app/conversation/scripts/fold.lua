-- Replaces the oldest turns by a summary, unless the conversation is no longer as the caller saw it.
-- KEYS: the conversation. ARGV: turn up to which the caller's summary before went, up to which the new one goes, for each
-- turn between whether the caller saw it finished (1 or 0), the new summary as JSON. Returns 1 if done, else 0.
local after, up_to = tonumber(ARGV[1]), tonumber(ARGV[2])
if tonumber(redis.call('HGET', KEYS[1], 'folded') or 0) ~= after or redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end
for number = after + 1, up_to do
  local seen = string.sub(ARGV[3], number - after, number - after)
  if redis.call('HEXISTS', KEYS[1], 't' .. number) ~= tonumber(seen) then
    return 0
  end
end
for number = after + 1, up_to do
  redis.call('HDEL', KEYS[1], 't' .. number, 'w' .. number)
end
redis.call('HSET', KEYS[1], 'folded', up_to, 'summary', ARGV[4])
return 1
