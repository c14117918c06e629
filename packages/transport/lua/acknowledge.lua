-- Acknowledges entries and forgets their failures; injected entries are deleted as well.
--
-- KEYS[1] stream, or the group's inject stream   KEYS[2] the group's failures hash
-- ARGV[1] group   ARGV[2] prefix of entry IDs in the failures hash ('inject:' for injected ones, else '')
-- ARGV[3...] alternately an entry ID and the event ID of its entry ('' = it has none)
--
-- Replies how many were pending.
--
-- One step, so that no failure record outlives its entry. After a failover an ID may stand for another event, which
-- must not be lost: events are compared.
local stream, failures, group, prefix = KEYS[1], KEYS[2], ARGV[1], ARGV[2]

local function is_other_event(id, event_id)
  local entry = redis.call('XRANGE', stream, id, id)[1]
  if not entry then return false end
  local fields = entry[2]
  if fields[1] == 'event_id' then return fields[2] ~= event_id end
  for i = 3, #fields, 2 do
    if fields[i] == 'event_id' then return fields[i + 1] ~= event_id end
  end
  return event_id ~= ''
end

local acknowledged = 0
for i = 3, #ARGV, 2 do
  local id = ARGV[i]
  if not is_other_event(id, ARGV[i + 1]) then
    acknowledged = acknowledged + redis.call('XACK', stream, group, id)
    redis.call('HDEL', failures, prefix .. id)
    if prefix ~= '' then redis.call('XDEL', stream, id) end
  end
end
return acknowledged
