-- Records the last failure of entries that are still pending.
--
-- KEYS[1] stream   KEYS[2] the group's failures hash
-- ARGV[1] group   ARGV[2...] alternately an entry ID and its record
--
-- A record is JSON with the names of FailureRecord: {"eventId", "attempts", "final", "reason", "error",
-- "failedAt", "dueAt"}, times in milliseconds since the epoch. claim.lua reads eventId and final.
--
-- Replies how many were recorded.
--
-- One step, because a record written after the entry was acknowledged would stay for ever.
local stream, failures, group = KEYS[1], KEYS[2], ARGV[1]
local recorded = 0
for i = 2, #ARGV, 2 do
  if #redis.call('XPENDING', stream, group, ARGV[i], ARGV[i], 1) == 1 then
    redis.call('HSET', failures, ARGV[i], ARGV[i + 1])
    recorded = recorded + 1
  end
end
return recorded
