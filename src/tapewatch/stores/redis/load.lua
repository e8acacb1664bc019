#!lua flags=no-writes
-- KEYS head, rows   ARGV 'all', or 'some' and the keys of the rows
local head = redis.call('HGETALL', KEYS[1])
if ARGV[1] == 'all' then
  return {head, redis.call('HGETALL', KEYS[2])}
end
local rows = {}
for i = 2, #ARGV do
  local data = redis.call('HGET', KEYS[2], ARGV[i])
  if data then
    rows[#rows + 1] = ARGV[i]
    rows[#rows + 1] = data
  end
end
return {head, rows}
