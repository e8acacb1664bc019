#!lua
-- One batch's whole effect on a shard: returns nil, the seq of the outbox's newest entry and how many stood there before;
-- or a refusal that names the first check that fails and what is stored.
-- KEYS head, rows, outbox   ARGV incarnation, fingerprint, epoch, start, end, channel, new fingerprint or ''
-- (a change of rules: rows that are not named are dropped), numbers of the fates, rows and entries that follow.
local stored = redis.call('HMGET', KEYS[1], 'incarnation', 'fingerprint', 'epoch', 'next', 'acked')
for i, check in ipairs({'incarnation', 'fingerprint', 'epoch', 'start'}) do
  if stored[i] ~= ARGV[i] then -- numbers as their decimal text: exact beyond 2^53
    return {check, stored[i]}
  end
end

-- All checks are done; from here on nothing can fail. Memory was looked at before the script began.
local MOST, LARGEST = 100, 65536 -- of entries, and of their bytes, that are told to who listens
local STEP = 4000 -- what unpack can put on Lua's stack is limited
local function write(command, key, first, count)
  for from = first, first + count - 1, STEP do
    redis.call(command, key, unpack(ARGV, from, math.min(from + STEP, first + count) - 1))
  end
  return first + count
end

local at = 11
for _ = 1, tonumber(ARGV[8]) do
  redis.call('HINCRBY', KEYS[1], ARGV[at], ARGV[at + 1])
  at = at + 2
end
if ARGV[7] ~= '' then
  redis.call('DEL', KEYS[2])
  redis.call('HSET', KEYS[1], 'fingerprint', ARGV[7])
end
at = write('HSET', KEYS[2], at, 2 * tonumber(ARGV[9]))
local before = redis.call('LLEN', KEYS[3])
write('RPUSH', KEYS[3], at, tonumber(ARGV[10]))
redis.call('HSET', KEYS[1], 'next', ARGV[5])
local count = tonumber(ARGV[10])
local newest = string.format('%.0f', tonumber(stored[5] or 0) + before + count)
local told, size = {}, 0
for i = at, at + math.min(count, MOST) - 1 do
  size = size + #ARGV[i]
  if size > LARGEST then
    break
  end
  told[#told + 1] = #ARGV[i] .. ' ' .. ARGV[i]
end
if count > MOST or size > LARGEST then
  count, told = -1, {}
end
local head = table.concat({ARGV[5], ARGV[3], newest, before, count, ARGV[1]}, ' ')
redis.call('PUBLISH', ARGV[6], head .. '\n' .. table.concat(told))
return {false, newest, before}
