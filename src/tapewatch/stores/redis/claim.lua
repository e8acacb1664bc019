#!lua flags=allow-oom
-- Take a shard over; a shard without a head is made, empty. Also where memory is full: the outbox has to drain.
-- KEYS head, rows, outbox   ARGV incarnation, fingerprint, epoch floor
if redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('DEL', KEYS[2], KEYS[3])
  redis.call('HSET', KEYS[1], 'incarnation', ARGV[1], 'fingerprint', ARGV[2], 'epoch', 0, 'next', 0, 'acked', 0)
end
if tonumber(redis.call('HGET', KEYS[1], 'epoch')) < tonumber(ARGV[3]) then
  redis.call('HSET', KEYS[1], 'epoch', ARGV[3])
end
redis.call('HINCRBY', KEYS[1], 'epoch', 1)
return {redis.call('HGETALL', KEYS[1]), redis.call('HGETALL', KEYS[2])}
