-- KEYS: rows, channels, settled, by subject, then what is due by channel. ARGV, for each row: key, row, score, channel, and which of KEYS
-- it stands in: its channel's, or the settled. Returns a 1 for each that is new.
local new = {}
for i = 1, #ARGV, 5 do
  local added = redis.call('HSETNX', KEYS[1], ARGV[i], ARGV[i + 1])
  if added == 1 then
    redis.call('SADD', KEYS[2], ARGV[i + 3])
    redis.call('ZADD', KEYS[tonumber(ARGV[i + 4])], ARGV[i + 2], ARGV[i])
    redis.call('ZADD', KEYS[4], 0, ARGV[i])
  end
  new[#new + 1] = added
end
return new
