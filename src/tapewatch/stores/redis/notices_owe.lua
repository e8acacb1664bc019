-- KEYS: rows, channels, then what is due by channel. ARGV: key, row, score ("" where it is not pending), channel, which of KEYS is its own,
-- for each row. Returns a 1 for each that is new.
local new = {}
for i = 1, #ARGV, 5 do
  local added = redis.call('HSETNX', KEYS[1], ARGV[i], ARGV[i + 1])
  if added == 1 and ARGV[i + 2] ~= '' then
    redis.call('SADD', KEYS[2], ARGV[i + 3])
    redis.call('ZADD', KEYS[tonumber(ARGV[i + 4])], ARGV[i + 2], ARGV[i])
  end
  new[#new + 1] = added
end
return new
