-- Returns an answer and its age in us; nothing where it is gone or too old.
-- KEYS: order, answers; with a trace, what is to point from it to the answer. ARGV: id, time to live in ms.
local kept_us = redis.call('ZSCORE', KEYS[1], ARGV[1])
local answer = redis.call('HGET', KEYS[2], ARGV[1])
if not kept_us or not answer then return {} end
local clock = redis.call('TIME')
local age_us = math.max(0, clock[1] * 1000000 + clock[2] - tonumber(kept_us))
if age_us > ARGV[2] * 1000 then return {} end
if KEYS[3] then redis.call('SET', KEYS[3], ARGV[1], 'PX', ARGV[2]) end
return { answer, string.format('%.0f', age_us) }
