-- Records the last failure of entries that are still pending.
--
-- KEYS[1] stream, or the group's inject stream   KEYS[2] the group's failures hash
-- ARGV[1] group   ARGV[2] prefix of entry IDs in the failures hash ('inject:' for injected ones, else '')
-- ARGV[3] consumer that records   ARGV[4...] in turn an entry ID, the event ID of its entry and the record
--
-- A record is JSON with the names of FailureRecord; claim.lua and given-up.lua read eventId and final, count-failed.lua
-- looks for final.
--
-- Replies how many were recorded.
--
-- One step, because a record written after the entry was acknowledged would stay for ever. Nothing is recorded of an
-- entry whose ID stands for another event by now, which may have a record of its own. A consumer that records a failure
-- has survived the handling: its deliveries are counted from 1 again.
--
-- include entry.lua
local stream, failures, group, prefix, consumer = KEYS[1], KEYS[2], ARGV[1], ARGV[2], ARGV[3]
local recorded = 0
for i = 4, #ARGV, 3 do
  local id = ARGV[i]
  local pending = redis.call('XPENDING', stream, group, id, id, 1)[1]
  local entry = pending and redis.call('XRANGE', stream, id, id)[1]
  if entry and is_of_event(entry[2], ARGV[i + 1]) then
    redis.call('HSET', failures, prefix .. id, ARGV[i + 2])
    if pending[2] == consumer and pending[4] > 1 then
      redis.call('XCLAIM', stream, group, consumer, 0, id, 'RETRYCOUNT', 1, 'JUSTID')
    end
    recorded = recorded + 1
  end
end
return recorded
