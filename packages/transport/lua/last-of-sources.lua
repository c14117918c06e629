-- One page of a stream, newest first: the last event of each source in it, without writing.
--
-- KEYS[1] stream
-- ARGV[1] ID and ARGV[2] event ID of an entry that must stand: what comes before it is then what it always was
-- ARGV[3] the newest and ARGV[4] the oldest ID, as XREVRANGE takes them   ARGV[5] entries per page
--
-- Replies nil if the entry does not stand, else {newest ID or '', cursor or '', {source, position, event ID...}}. The page
-- behind it begins with '(' and the cursor.
--
-- include entry.lua
-- include anchor.lua
local stream, count = KEYS[1], tonumber(ARGV[5])
if not is_anchored(stream, ARGV[1], ARGV[2]) then return false end

local page = redis.call('XREVRANGE', stream, ARGV[3], ARGV[4], 'COUNT', count)
local found, last_of = {}, {}
for _, entry in ipairs(page) do
  local named = {}
  for i = 1, #entry[2], 2 do named[entry[2][i]] = entry[2][i + 1] end
  local source, position, event_id = named.source, named.position, named.event_id
  if source and position and event_id and not found[source] then
    found[source] = true
    last_of[#last_of + 1] = source
    last_of[#last_of + 1] = position
    last_of[#last_of + 1] = event_id
  end
end
return { page[1] and page[1][1] or '', #page == count and page[count][1] or '', last_of }
