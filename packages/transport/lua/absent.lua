-- Which entries do not stand in a stream.
--
-- KEYS[1] the stream
-- ARGV[1...] alternately an entry ID and the event ID of its entry ('' = it has none)
--
-- Replies the IDs of those that stand there no longer, or for another event. Writes nothing.
--
-- include entry.lua
local stream = KEYS[1]
local absent = {}
for i = 1, #ARGV, 2 do
  local entry = redis.call('XRANGE', stream, ARGV[i], ARGV[i])[1]
  if not entry or not is_of_event(entry[2], ARGV[i + 1]) then absent[#absent + 1] = ARGV[i] end
end
return absent
