-- Whether an entry of the event stands under this ID. What a server loses is always the end of its history, so everything
-- before an entry that stands is as it was, too.
local function is_anchored(stream, id, event_id)
  local entry = redis.call('XRANGE', stream, id, id)[1]
  return entry ~= nil and is_of_event(entry[2], event_id)
end
