-- Asks the process that answers to cancel; returns 0 where the owner has no such stream.
-- KEYS: state. ARGV: digest of the owner.
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'cancel', '1')
return 1
