-- Deletes dead letters, as far as they are those of the named events.
--
-- KEYS[1] the group's dead letters
-- ARGV[1...] alternately the ID of a dead letter and the event ID of its entry ('' = it has none)
--
-- Replies how many were deleted.
--
-- include entry.lua
local letters = KEYS[1]
local deleted = 0
for i = 1, #ARGV, 2 do
  local entry = redis.call('XRANGE', letters, ARGV[i], ARGV[i])[1]
  if entry and is_of_event(entry[2], ARGV[i + 1]) then
    deleted = deleted + redis.call('XDEL', letters, ARGV[i])
  end
end
return deleted
