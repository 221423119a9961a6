-- Gives the next turn its number and returns what is kept of the conversation.
-- KEYS: the conversation. ARGV: time to live in ms. Returns: number, clock in ms, the fields of the hash.
local clock = redis.call('TIME')
local now_ms = clock[1] * 1000 + math.floor(clock[2] / 1000)
local number = redis.call('HINCRBY', KEYS[1], 'last', 1)
redis.call('HSET', KEYS[1], 'w' .. number, string.format('%.0f', now_ms))
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return { number, now_ms, redis.call('HGETALL', KEYS[1]) }
