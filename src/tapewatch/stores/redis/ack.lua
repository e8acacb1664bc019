#!lua flags=allow-oom
-- KEYS head, outbox   ARGV seq, and where the caller says who it is: incarnation, epoch
local stored = redis.call('HMGET', KEYS[1], 'incarnation', 'epoch', 'acked')
for i, check in ipairs({'incarnation', 'epoch'}) do
  if ARGV[i + 1] and stored[i] ~= ARGV[i + 1] then
    return {check, stored[i]}
  end
end
local acked = tonumber(stored[3] or 0)
local done = math.min(tonumber(ARGV[1]) - acked, redis.call('LLEN', KEYS[2]))
if done > 0 then
  redis.call('LTRIM', KEYS[2], done, -1)
  redis.call('HSET', KEYS[1], 'acked', string.format('%.0f', acked + done))
end
return {}
