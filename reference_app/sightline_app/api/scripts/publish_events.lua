-- Appends events of an answer, says that its process is alive, and returns what other processes want of it.
-- A second run appends nothing twice. KEYS: events, state. ARGV: time to live in ms, digest of the owner, '1' at the
-- end, number of the oldest event that is kept, reader that lost its place ('' for none), share of memory beyond which
-- no event is appended (conversations and budgets share it and come first), then number, name, data of each event.
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
local top = last[1] and tonumber(string.match(last[1][1], '^%d+')) or 0
local memory = #ARGV > 6 and redis.pcall('INFO', 'memory')
local used, most = 0, 0
if type(memory) == 'string' then
  used, most = string.match(memory, 'used_memory:(%d+)'), string.match(memory, 'maxmemory:(%d+)')
  used, most = tonumber(used) or 0, tonumber(most) or 0
end
local has_room = most == 0 or used <= most * tonumber(ARGV[6])
for i = 7, #ARGV, 3 do
  if has_room and tonumber(ARGV[i]) > top then
    redis.call('XADD', KEYS[1], ARGV[i] .. '-0', 'name', ARGV[i + 1], 'data', ARGV[i + 2])
  end
end
redis.call('XTRIM', KEYS[1], 'MINID', ARGV[4])
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
redis.call('HSET', KEYS[2], 'owner', ARGV[2], 'alive', string.format('%.0f', now), 'ended', ARGV[3])
if ARGV[5] ~= '' and redis.call('HGET', KEYS[2], 'reader') == ARGV[5] then
  redis.call('HDEL', KEYS[2], 'reader')
end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
redis.call('PEXPIRE', KEYS[2], ARGV[1])
local told = redis.call('HMGET', KEYS[2], 'cancel', 'reader', 'after', 'has', 'seen')
local silent = told[5] and now - tonumber(told[5]) or 0
return { told[1] or '', told[2] or '', told[3] or '0', told[4] or '0', silent }
