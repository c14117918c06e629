-- Keeps entries claimed: resets the idle time of those that are still this consumer's.
--
-- KEYS[1] stream, or the group's inject stream
-- ARGV[1] group   ARGV[2] consumer   ARGV[3...] entry IDs
--
-- Replies with the IDs that were kept, in the order asked for.
--
-- XCLAIM alone would steal back what another consumer has claimed since, so ownership is checked in the same
-- step. JUSTID, because keeping is no delivery.
local stream, group, consumer = KEYS[1], ARGV[1], ARGV[2]
local kept = {}
for i = 3, #ARGV do
  if #redis.call('XPENDING', stream, group, ARGV[i], ARGV[i], 1, consumer) == 1 then
    kept[#kept + 1] = redis.call('XCLAIM', stream, group, consumer, 0, ARGV[i], 'JUSTID')[1]
  end
end
return kept
