-- Acknowledges pending entries that no longer stand in their stream.
--
-- KEYS[1] stream, or the group's inject stream   KEYS[2] the group's failures hash
-- ARGV[1] group   ARGV[2] prefix of entry IDs in the failures hash ('inject:' for injected ones, else '')
-- ARGV[3...] entry IDs
--
-- Replies how many were pending.
local stream, failures, group, prefix = KEYS[1], KEYS[2], ARGV[1], ARGV[2]
local dropped = 0
for i = 3, #ARGV do
  local id = ARGV[i]
  if #redis.call('XRANGE', stream, id, id) == 0 then
    redis.call('HDEL', failures, prefix .. id)
    dropped = dropped + redis.call('XACK', stream, group, id)
  end
end
return dropped
