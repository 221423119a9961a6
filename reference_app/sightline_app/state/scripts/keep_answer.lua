-- Keeps an answer with its question's vector, and forgets what is too old or too much.
-- KEYS: order, vectors, answers; with a trace, what points from it to the answer.
-- ARGV: id, vector, answer, time to live in ms, most answers, share of memory beyond which nothing is kept.
-- Returns: 1, or 0 where memory is short: conversations and budgets share it and come first.
local memory = redis.pcall('INFO', 'memory')
if type(memory) == 'string' then
  local used, most = string.match(memory, 'used_memory:(%d+)'), string.match(memory, 'maxmemory:(%d+)')
  if used and most and tonumber(most) > 0 and tonumber(used) > tonumber(most) * tonumber(ARGV[6]) then return 0 end
end
local clock = redis.call('TIME')
local now_us = clock[1] * 1000000 + clock[2]
local newest = redis.call('ZREVRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2]
-- Other processes ask for what came after the newest that they know, so the order never goes back.
local order = newest and math.max(now_us, tonumber(newest) + 1) or now_us
redis.call('ZADD', KEYS[1], string.format('%.0f', order), ARGV[1])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('HSET', KEYS[3], ARGV[1], ARGV[3])
local oldest_us = string.format('%.0f', now_us - ARGV[4] * 1000)
local gone = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', oldest_us)
for _, id in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1 - ARGV[5])) do gone[#gone + 1] = id end
for _, id in ipairs(gone) do
  redis.call('ZREM', KEYS[1], id)
  redis.call('HDEL', KEYS[2], id)
  redis.call('HDEL', KEYS[3], id)
end
for place = 1, 3 do redis.call('PEXPIRE', KEYS[place], ARGV[4]) end
if KEYS[4] then redis.call('SET', KEYS[4], ARGV[1], 'PX', ARGV[4]) end
return 1
