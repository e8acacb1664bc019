#!lua flags=allow-oom
-- Forget a shard, as if it had been lost; or a refusal.   KEYS head, rows, outbox   ARGV incarnation, epoch
local stored = redis.call('HMGET', KEYS[1], 'incarnation', 'epoch')
for i, check in ipairs({'incarnation', 'epoch'}) do
  if stored[i] ~= ARGV[i] then
    return {check, stored[i]}
  end
end
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
return {}
