-- Deletes dead letters, as far as they are those of the named events.
--
-- KEYS[1] the group's dead letters
-- ARGV[1...] alternately the ID of a dead letter and the event ID of its entry ('' = it has none)
--
-- Replies how many were deleted.
local letters = KEYS[1]
local deleted = 0
for i = 1, #ARGV, 2 do
  local entry = redis.call('XRANGE', letters, ARGV[i], ARGV[i])[1]
  local event_id = ''
  for k = 1, entry and #entry[2] or 0, 2 do
    if entry[2][k] == 'event_id' then event_id = entry[2][k + 1] end
  end
  if entry and event_id == ARGV[i + 1] then
    deleted = deleted + redis.call('XDEL', letters, ARGV[i])
  end
end
return deleted
