-- Acknowledges entries and forgets their failures.
--
-- KEYS[1] stream   KEYS[2] the group's failures hash
-- ARGV[1] group   ARGV[2...] entry IDs
--
-- Replies how many were pending.
--
-- One step, so that no failure record outlives its entry. Thousand at a time, because Lua's unpack is limited.
local stream, failures, group = KEYS[1], KEYS[2], ARGV[1]
local acknowledged = 0
for first = 2, #ARGV, 1000 do
  local last = math.min(first + 999, #ARGV)
  acknowledged = acknowledged + redis.call('XACK', stream, group, unpack(ARGV, first, last))
  redis.call('HDEL', failures, unpack(ARGV, first, last))
end
return acknowledged
