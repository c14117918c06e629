-- Adds entries to a stream beside another one, each unless it stands there already: restores dead letters, injects.
--
-- KEYS[1] the stream to add to   KEYS[2] a stream of which entries are deleted in the same step
-- ARGV per entry: the ID under which it may stand ('' = it was never added), its event ID ('' = it has none), the ID of
-- the entry of KEYS[2] to delete ('' = none), the number of names and values, then these in turn
--
-- Replies the IDs under which the entries stand, in order.
--
-- May be repeated with the IDs of an earlier reply. Adds first and deletes behind: when memory is short, the first
-- addition is refused and nothing was written.
local target, taken = KEYS[1], KEYS[2]

local function has_event(entry, event_id)
  for i = 1, #entry[2], 2 do
    if entry[2][i] == 'event_id' then return entry[2][i + 1] == event_id end
  end
  return event_id == ''
end

local function stands(stream, id, event_id)
  if id == '' then return false end
  local entry = redis.call('XRANGE', stream, id, id)[1]
  return entry and has_event(entry, event_id)
end

local ids, deletions = {}, {}
local i = 1
while i <= #ARGV do
  local id, event_id, taken_id, count = ARGV[i], ARGV[i + 1], ARGV[i + 2], tonumber(ARGV[i + 3])
  if not stands(target, id, event_id) then
    id = redis.call('XADD', target, '*', unpack(ARGV, i + 4, i + 3 + count))
  end
  ids[#ids + 1] = id
  deletions[#deletions + 1] = { taken_id, event_id }
  i = i + 4 + count
end
for _, deletion in ipairs(deletions) do
  if stands(taken, deletion[1], deletion[2]) then redis.call('XDEL', taken, deletion[1]) end
end
return ids
