-- Returns the events after a number to a client that reads at another process than the one that answers.
-- KEYS: events, state. ARGV: digest of the owner, reader, number, '1' at the reader's first call, events at most.
-- The first value says how it went: ok, unknown, later (no such event yet), gone (the events before the second value),
-- replaced (another client took the place). With ok: '1' at the end, ms since the process was seen, then the events.
local state = redis.call('HMGET', KEYS[2], 'owner', 'reader', 'ended', 'alive')
if state[1] ~= ARGV[1] then return { 'unknown' } end
local is_first, after = ARGV[4] == '1', tonumber(ARGV[3])
if not is_first and state[2] ~= ARGV[2] then return { 'replaced' } end
local function number(found) return found[1] and tonumber(string.match(found[1][1], '^%d+')) or 0 end
if is_first and after > number(redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)) then return { 'later' } end
local events = redis.call('XRANGE', KEYS[1], string.format('%.0f-0', after + 1), '+', 'COUNT', ARGV[5])
if events[1] and number(events) > after + 1 then return { 'gone', string.format('%.0f', number(events)) } end
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
if is_first then redis.call('HSET', KEYS[2], 'reader', ARGV[2], 'after', ARGV[3]) end
redis.call('HSET', KEYS[2], 'has', ARGV[3], 'seen', string.format('%.0f', now))
local told = { 'ok', state[3], now - tonumber(state[4]) }
for _, event in ipairs(events) do
  table.insert(told, string.match(event[1], '^%d+'))
  table.insert(told, event[2][2])
  table.insert(told, event[2][4])
end
return told
