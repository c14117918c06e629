-- Keeps entries claimed: resets the idle time of those that are still this consumer's.
--
-- KEYS[1] stream, or the group's inject stream   KEYS[2] the group's failures hash
-- ARGV[1] group   ARGV[2] prefix of entry IDs in the failures hash ('inject:' for injected ones, else '')
-- ARGV[3] consumer   ARGV[4...] entry IDs
--
-- Replies with the IDs that were kept, in the order asked for.
--
-- XCLAIM alone would steal back what another consumer has claimed since, so ownership is checked in the same
-- step. JUSTID, because keeping is no delivery.
--
-- include still-pending.lua
local stream, failures, group, prefix, consumer = KEYS[1], KEYS[2], ARGV[1], ARGV[2], ARGV[3]
local kept = {}
for i = 4, #ARGV do
  local id = ARGV[i]
  if #redis.call('XPENDING', stream, group, id, id, 1, consumer) == 1 then
    local touched = redis.call('XCLAIM', stream, group, consumer, 0, id, 'JUSTID')
    if still_pending(touched, failures, prefix .. id) then kept[#kept + 1] = id end
  end
end
return kept
