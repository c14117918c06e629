-- Removes a consumer's name from a group, if nothing is pending under it.
--
-- KEYS[1] stream
-- ARGV[1] group   ARGV[2] consumer
--
-- Replies 1 if the name is gone, 0 if it holds pending entries.
--
-- XGROUP DELCONSUMER destroys what is pending under the name, and a read may add to it between a check and the
-- removal: hence both in one step.
local stream, group, consumer = KEYS[1], ARGV[1], ARGV[2]
if #redis.call('XPENDING', stream, group, '-', '+', 1, consumer) > 0 then
  return 0
end
redis.call('XGROUP', 'DELCONSUMER', stream, group, consumer)
return 1
