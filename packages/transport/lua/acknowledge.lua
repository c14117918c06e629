-- Acknowledges entries and forgets their failures; injected entries are deleted as well.
--
-- KEYS[1] stream, or the group's inject stream   KEYS[2] the group's failures hash
-- ARGV[1] group   ARGV[2] prefix of entry IDs in the failures hash ('inject:' for injected ones, else '')
-- ARGV[3] '1' if each entry is to be compared
-- ARGV[4...] alternately an entry ID and the event ID of its entry ('' = it has none), in the order of the entry IDs;
-- at most 1000 entries
--
-- Replies how many were pending.
--
-- One step, so that no failure record outlives its entry. The pending list comes last: if a right is missing, nothing
-- happens to what is still pending but that its failure is forgotten.
--
-- After a failover an ID may stand for another event, which must not be lost: events are compared. Reading an entry takes
-- ten times as long as acknowledging it. But a server that goes back in time loses the newest entries, all from some
-- point on: while the last sixteen stand for their events, those before them do. Only otherwise all are compared, or when
-- some may be of another history than others: they were delivered before the connection was lost.
--
-- include entry.lua
local stream, failures, group, prefix = KEYS[1], KEYS[2], ARGV[1], ARGV[2]

-- Whether the entry stands for its event: nil if it stands no longer.
local function stands(i)
  local entry = redis.call('XRANGE', stream, ARGV[i], ARGV[i])[1]
  if entry then return is_of_event(entry[2], ARGV[i + 1]) end
end

local newest_stand = ARGV[3] ~= '1'
for i = math.max(4, #ARGV - 31), #ARGV, 2 do newest_stand = newest_stand and stands(i) end

local ids, records = {}, {}
for i = 4, #ARGV, 2 do
  if newest_stand or stands(i) ~= false then
    ids[#ids + 1] = ARGV[i]
    records[#records + 1] = prefix .. ARGV[i]
  end
end
if #ids == 0 then return 0 end
redis.call('HDEL', failures, unpack(records))
if prefix ~= '' then redis.call('XDEL', stream, unpack(ids)) end
return redis.call('XACK', stream, group, unpack(ids))
