-- KEYS: rows, revisions, opened, news. ARGV: now, then for each group: id, revision, row, opened, "1" where it is closed.
-- Writes those whose revision is above the stored one; returns a 1 for each that was written. A group is news when it is
-- new (id:1) and when it is closed (id:2).
local written = {}
for i = 2, #ARGV, 5 do
  local id = ARGV[i]
  local known = redis.call('HGET', KEYS[2], id)
  if known and tonumber(known) >= tonumber(ARGV[i + 1]) then
    written[#written + 1] = 0
  else
    redis.call('HSET', KEYS[2], id, ARGV[i + 1])
    redis.call('HSET', KEYS[1], id, ARGV[i + 2])
    redis.call('ZADD', KEYS[3], ARGV[i + 3], id)
    if not known then
      redis.call('ZADD', KEYS[4], ARGV[1], id .. ':1')
    end
    if ARGV[i + 4] == '1' then
      redis.call('ZADD', KEYS[4], ARGV[1], id .. ':2')
    end
    written[#written + 1] = 1
  end
end
return written
