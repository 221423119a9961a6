-- Returns what was kept after a moment, newest first: id, moment, vector, id, moment, vector, ...
-- KEYS: order, vectors. ARGV: the moment, most answers.
local found = redis.call('ZREVRANGEBYSCORE', KEYS[1], '+inf', '(' .. ARGV[1], 'WITHSCORES', 'LIMIT', 0, ARGV[2])
local told = {}
for place = 1, #found, 2 do
  told[#told + 1] = found[place]
  told[#told + 1] = found[place + 1]
  told[#told + 1] = redis.call('HGET', KEYS[2], found[place]) or ''
end
return told
