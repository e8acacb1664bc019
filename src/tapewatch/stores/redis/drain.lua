#!lua flags=no-writes
-- KEYS head, outbox   ARGV limit.  An entry's seq is the number of those that were acknowledged plus its place.
return {redis.call('HGET', KEYS[1], 'acked'), redis.call('LRANGE', KEYS[2], 0, ARGV[1] - 1)}
