-- Has a stream that may have gone back in time know up to where it was trimmed, and hand out no entry ID twice.
--
-- KEYS[1] stream   KEYS[2] its writers hash
-- ARGV[1] up to where it was trimmed ('' = never)   ARGV[2] the highest ID that is known to have been handed out
--
-- Replies '1' if the stream had to be brought forward to that ID, else '0'.
--
-- include entry-id.lua
-- include nothing-refused.lua
local stream, writers, trimmed_to, highest = KEYS[1], KEYS[2], ARGV[1], ARGV[2]

ask_to_add(stream)
local trimmed = redis.call('HGET', writers, '@trimmed')
if trimmed_to ~= '' and not (trimmed and at_most(trimmed_to, trimmed)) then
  redis.call('HSET', writers, '@trimmed', trimmed_to)
end
if highest == '0-0' then return '0' end
-- An entry that is added and taken away again leaves its ID behind, also in a stream that was not there.
local added = redis.pcall('XADD', stream, highest, '', '')
if type(added) == 'table' then
  if string.find(added.err, 'equal or smaller', 1, true) then return '0' end
  return added
end
redis.call('XDEL', stream, highest)
return '1'
