-- Counts one more delivery of an entry that a consumer holds.
--
-- KEYS[1] stream, or the group's inject stream
-- ARGV[1] group   ARGV[2] consumer   ARGV[3] entry ID
--
-- Replies how many there were, or nil if the entry is not this consumer's.
local stream, group, consumer, id = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local pending = redis.call('XPENDING', stream, group, id, id, 1, consumer)[1]
if not pending then return false end
redis.call('XCLAIM', stream, group, consumer, 0, id, 'RETRYCOUNT', pending[4] + 1, 'JUSTID')
return pending[4] + 1
