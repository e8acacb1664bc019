#!lua flags=no-writes
-- KEYS head, outbox   ARGV limit, and maybe incarnation, epoch, next of an owner
-- An entry's seq is the number of those that were acknowledged plus its place.
local acked, incarnation, epoch, position = unpack(redis.call('HMGET', KEYS[1], 'acked', 'incarnation', 'epoch', 'next'))
if ARGV[2] then
  if incarnation ~= ARGV[2] then
    return {acked, {}, {'incarnation', incarnation}}
  end
  if epoch ~= ARGV[3] then
    return {acked, {}, {'epoch', epoch}}
  end
  if tonumber(position) < tonumber(ARGV[4]) then
    return {acked, {}, {'start', position}}
  end
end
return {acked, redis.call('LRANGE', KEYS[2], 0, ARGV[1] - 1), false}
