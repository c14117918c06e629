-- Hands entries back, as if they had not been delivered this time.
--
-- KEYS[1] stream, or the group's inject stream   KEYS[2] the group's failures hash
-- ARGV[1] group   ARGV[2] prefix of entry IDs in the failures hash ('inject:' for injected ones, else '')
-- ARGV[3] consumer   ARGV[4...] alternately an entry ID and its deliveries as the consumer was told, this one included
--
-- Replies how many were handed back.
--
-- A pending entry always has an owner: the reserved name @released stands for nobody, and claim removes it when
-- nothing is left under it. TIME 0 makes the entry idle since 1970, so that every claim finds it. The delivery that is
-- not to count is taken off again, if it was counted: from the third on a claim leaves that to count-delivery, and a
-- recorded failure has made the count start anew. Only what is still this consumer's, checked in the same step.
--
-- include still-pending.lua
local stream, failures, group, prefix, consumer = KEYS[1], KEYS[2], ARGV[1], ARGV[2], ARGV[3]
local released = 0
for i = 4, #ARGV, 2 do
  local id = ARGV[i]
  local pending = redis.call('XPENDING', stream, group, id, id, 1, consumer)[1]
  if pending then
    local deliveries = math.max(0, math.min(pending[4], ARGV[i + 1] - 1))
    local touched = redis.call('XCLAIM', stream, group, '@released', 0, id,
      'TIME', 0, 'RETRYCOUNT', deliveries, 'JUSTID')
    if still_pending(touched, failures, prefix .. id) then released = released + 1 end
  end
end
return released
