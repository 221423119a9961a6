-- Forgets the answer that a trace points to. KEYS: order, vectors, answers, the pointer. Returns: how many, 0 or 1.
local id = redis.call('GET', KEYS[4])
if not id then return 0 end
redis.call('HDEL', KEYS[2], id)
redis.call('HDEL', KEYS[3], id)
redis.call('DEL', KEYS[4])
return redis.call('ZREM', KEYS[1], id)
