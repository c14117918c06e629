-- Counts one more delivery of an entry that a consumer holds.
--
-- KEYS[1] stream, or the group's inject stream   KEYS[2] the group's failures hash
-- ARGV[1] group   ARGV[2] prefix of entry IDs in the failures hash ('inject:' for injected ones, else '')
-- ARGV[3] consumer   ARGV[4] entry ID
--
-- Replies how many there were, or nil if the entry is not this consumer's.
--
-- include still-pending.lua
local stream, failures, group, prefix, consumer, id = KEYS[1], KEYS[2], ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local pending = redis.call('XPENDING', stream, group, id, id, 1, consumer)[1]
if not pending then return false end
local deliveries = pending[4] + 1
local touched = redis.call('XCLAIM', stream, group, consumer, 0, id, 'RETRYCOUNT', deliveries, 'JUSTID')
return still_pending(touched, failures, prefix .. id) and deliveries
