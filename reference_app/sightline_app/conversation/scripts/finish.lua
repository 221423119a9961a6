-- Keeps a finished turn. Running twice for a turn changes nothing.
-- KEYS: the conversation. ARGV: number, the turn as JSON, time to live in ms. Returns: as begin.lua.
local clock = redis.call('TIME')
local now_ms = clock[1] * 1000 + math.floor(clock[2] / 1000)
local number = tonumber(ARGV[1])
local last = tonumber(redis.call('HGET', KEYS[1], 'last') or 0)
local folded = tonumber(redis.call('HGET', KEYS[1], 'folded') or 0)
local there = redis.call('HGET', KEYS[1], 't' .. number)
if number <= folded or (there and there ~= ARGV[2]) then
  -- The turn was taken for abandoned and its place is in the summary, or a server that lost its last writes gave the number
  -- twice: it becomes the newest turn instead. The field `m` keeps the new number, for a second run.
  local moved = tonumber(redis.call('HGET', KEYS[1], 'm' .. number) or 0)
  if moved == 0 or redis.call('HGET', KEYS[1], 't' .. moved) ~= ARGV[2] then
    moved = last + 1
    redis.call('HSET', KEYS[1], 'm' .. number, moved)
  end
  number = moved
end
if number > last then
  redis.call('HSET', KEYS[1], 'last', number)
end
redis.call('HSET', KEYS[1], 't' .. number, ARGV[2])
redis.call('HDEL', KEYS[1], 'w' .. ARGV[1], 'w' .. number)
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return { number, now_ms, redis.call('HGETALL', KEYS[1]) }
