-- KEYS: rows, due. ARGV: key, row, score ("" where it is not pending), for each row. Returns a 1 for each that is new.
local new = {}
for i = 1, #ARGV, 3 do
  local added = redis.call('HSETNX', KEYS[1], ARGV[i], ARGV[i + 1])
  if added == 1 and ARGV[i + 2] ~= '' then
    redis.call('ZADD', KEYS[2], ARGV[i + 2], ARGV[i])
  end
  new[#new + 1] = added
end
return new
