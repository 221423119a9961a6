-- Reserves and charges tokens. Every rule is checked before anything is written; running twice for one call changes nothing.
--
-- KEYS: 1 rates of the owner, 2 and 3 spent tokens and reservations of the owner, 4 and 5 of the user, 6 the call.
-- ARGV: 1 `reserve` or `settle`, 2 id of the call, 3 the time in microseconds ('' takes the server's),
--   4 tokens to reserve or to charge, 5 tokens that were reserved, 6 how long a reservation holds, in ms,
--   7 to 12 the limits, 0 is none: requests and tokens a minute; the owner's tokens a day and a month; the user's.
-- Returns 22 integers: 1 or 0 for admitted or not, the number of the limit that refused (1 to 6, 0 is none), the ms after
--   which it would admit, 1 if it never would; of each limit what is left, the ms until it is whole again, what is used.
--
-- Rates are GCRA: the one number kept of a rate is the time at which its bucket, which holds a minute, is full again.
-- Spent tokens are kept of the current day and month only. A reservation is `id|tokens|day|month`, scored by its end.

local MINUTE_US, DAY_US = 60e6, 86400e6
local CALL_KEPT_MS, RATE_KEPT_MS, DAY_MS = 21600000, 120000, 86400000

local settles = ARGV[1] == 'settle'
local call = ARGV[2]
local now_us = tonumber(ARGV[3])
if not now_us then
  local clock = redis.call('TIME')
  now_us = clock[1] * 1e6 + clock[2]
end
local tokens, reserved, hold_ms = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local limits = {}
for i = 1, 6 do
  limits[i] = tonumber(ARGV[6 + i])
end

-- Days since 1970 to and from months since the year 0, by http://howardhinnant.github.io/date_algorithms.html
local function month_of(day)
  local shifted = day + 719468
  local era = math.floor(shifted / 146097)
  local of_era = shifted - era * 146097
  local year = math.floor((of_era - math.floor(of_era / 1460) + math.floor(of_era / 36524) - math.floor(of_era / 146096)) / 365)
  local of_year = of_era - (365 * year + math.floor(year / 4) - math.floor(year / 100))
  local month = math.floor((5 * of_year + 2) / 153) + 2 -- from 2, March, to 13, February
  return (year + era * 400) * 12 + month
end
local function first_day_of(month)
  local from_march = month - 2
  local year = math.floor(from_march / 12)
  local era = math.floor(year / 400)
  local of_era = year - era * 400
  local of_year = math.floor((153 * (from_march - year * 12) + 2) / 5)
  return era * 146097 + of_era * 365 + math.floor(of_era / 4) - math.floor(of_era / 100) + of_year - 719468
end
local today = math.floor(now_us / DAY_US)
local this_month = month_of(today)
local periods = {
  { name = 'day', now = today, ends_us = (today + 1) * DAY_US },
  { name = 'month', now = this_month, ends_us = first_day_of(this_month + 1) * DAY_US },
}

local function integer(number)
  return string.format('%.0f', number)
end

local rate_names = { 'requests', 'tokens' }
local function debt_us(rate)
  return math.max(tonumber(redis.call('HGET', KEYS[1], rate_names[rate]) or 0) - now_us, 0)
end
local function take(rate, amount)
  if limits[rate] == 0 or amount == 0 then
    return
  end
  local full_us = tonumber(redis.call('HGET', KEYS[1], rate_names[rate]) or 0)
  if amount > 0 then
    full_us = math.max(full_us, now_us)
  end
  redis.call('HSET', KEYS[1], rate_names[rate], integer(math.floor(full_us + MINUTE_US / limits[rate] * amount)))
  -- A bucket in debt is full later than a minute from now.
  redis.call('PEXPIRE', KEYS[1], integer(RATE_KEPT_MS + math.max(0, (full_us - now_us) / 1000)))
end

local function is_limited(place)
  return limits[3 + 2 * place] > 0 or limits[4 + 2 * place] > 0
end
local function spent(place, period)
  local key = KEYS[2 + 2 * place]
  -- A later period than now means that the clock went back: what was spent stays spent.
  if tonumber(redis.call('HGET', key, period.name) or -1) >= period.now then
    return tonumber(redis.call('HGET', key, period.name .. '_spent') or 0)
  end
  return 0
end
local held = {} -- sums of a place's reservations by period; forgotten when they change
local function held_in(place, period)
  if not held[place] then
    local sums = { day = 0, month = 0 }
    for _, hold in ipairs(redis.call('ZRANGE', KEYS[3 + 2 * place], 0, -1)) do
      local amount, day, month = string.match(hold, '|(%d+)|(%d+)|(%d+)$')
      sums.day = sums.day + (tonumber(day) >= today and amount or 0)
      sums.month = sums.month + (tonumber(month) >= this_month and amount or 0)
    end
    held[place] = sums
  end
  return held[place][period.name]
end
local function used(place, period)
  return spent(place, period) + held_in(place, period)
end

local known = redis.call('GET', KEYS[6])
for place = 0, 1 do
  if is_limited(place) then
    redis.call('ZREMRANGEBYSCORE', KEYS[3 + 2 * place], '-inf', integer(now_us / 1000))
  end
end

local refused, wait_us, never = 0, 0, 0
if settles and known ~= 'settled' then
  for place = 0, 1 do
    if is_limited(place) then
      local days = { today, this_month } -- where the reservation is gone, the charge belongs to now
      for _, hold in ipairs(redis.call('ZRANGE', KEYS[3 + 2 * place], 0, -1)) do
        local id, day, month = string.match(hold, '^([^|]*)|%d+|(%d+)|(%d+)$')
        if id == call then
          days = { tonumber(day), tonumber(month) }
          redis.call('ZREM', KEYS[3 + 2 * place], hold)
        end
      end
      local key = KEYS[2 + 2 * place]
      for i, period in ipairs(periods) do
        local kept = tonumber(redis.call('HGET', key, period.name) or -1)
        if kept < period.now then
          redis.call('HSET', key, period.name, integer(period.now), period.name .. '_spent', '0')
          kept = period.now
        end
        if days[i] >= kept then -- an answer that ends after its period no longer counts against anything
          redis.call('HINCRBY', key, period.name .. '_spent', integer(tokens))
        end
      end
      local longest = limits[4 + 2 * place] > 0 and periods[2] or periods[1]
      redis.call('PEXPIRE', key, integer((longest.ends_us - now_us) / 1000 + DAY_MS))
    end
  end
  take(2, known == 'held' and tokens - reserved or tokens)
  redis.call('SET', KEYS[6], 'settled', 'PX', CALL_KEPT_MS)
elseif not settles and not known then
  local function refuse(limit, after_us, is_never)
    -- The limit that takes longest decides when a retry can help.
    if is_never > never or (is_never == never and after_us > wait_us) or refused == 0 then
      refused, wait_us, never = limit, after_us, is_never
    end
  end
  for rate = 1, 2 do
    if limits[rate] > 0 then
      local amount = rate == 1 and 1 or tokens
      local over_us = debt_us(rate) + MINUTE_US / limits[rate] * amount - MINUTE_US
      if over_us > 0 then
        refuse(rate, over_us, amount > limits[rate] and 1 or 0)
      end
    end
  end
  for place = 0, 1 do
    for i, period in ipairs(periods) do
      local limit = limits[2 + 2 * place + i]
      if limit > 0 and used(place, period) + tokens > limit then
        refuse(2 + 2 * place + i, period.ends_us - now_us, tokens > limit and 1 or 0)
      end
    end
  end
  if refused == 0 then
    take(1, 1)
    take(2, tokens)
    for place = 0, 1 do
      if is_limited(place) then
        local hold = table.concat({ call, integer(tokens), integer(today), integer(this_month) }, '|')
        redis.call('ZADD', KEYS[3 + 2 * place], integer(now_us / 1000 + hold_ms), hold)
        redis.call('PEXPIRE', KEYS[3 + 2 * place], integer(2 * hold_ms))
        held[place] = nil
      end
    end
    redis.call('SET', KEYS[6], 'held', 'PX', CALL_KEPT_MS)
  end
end

local answer = { refused == 0 and 1 or 0, refused, math.ceil(wait_us / 1000), never }
local left, whole_ms, taken = {}, {}, {}
for rate = 1, 2 do
  left[rate], whole_ms[rate], taken[rate] = 0, 0, 0
  if limits[rate] > 0 then
    local debt = debt_us(rate)
    left[rate] = math.max(0, math.floor((MINUTE_US - debt) / MINUTE_US * limits[rate] + 1e-6))
    whole_ms[rate] = math.ceil(debt / 1000)
    taken[rate] = limits[rate] - left[rate]
  end
end
for place = 0, 1 do
  for i, period in ipairs(periods) do
    local n = 2 + 2 * place + i
    left[n], whole_ms[n], taken[n] = 0, 0, 0
    if limits[n] > 0 then
      taken[n] = used(place, period)
      left[n] = math.max(0, limits[n] - taken[n])
      whole_ms[n] = math.ceil((period.ends_us - now_us) / 1000)
    end
  end
end
for _, numbers in ipairs({ left, whole_ms, taken }) do
  for _, number in ipairs(numbers) do
    answer[#answer + 1] = number
  end
end
return answer
