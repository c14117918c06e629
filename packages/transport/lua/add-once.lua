-- Adds entries to a stream beside another one, each unless it stands there already: restores dead letters, injects.
--
-- KEYS[1] the stream to add to   KEYS[2] a stream of which entries are deleted in the same step
-- ARGV[1...] per entry: the ID under which it may stand ('' = it was never added), its event ID ('' = it has none), the
-- ID of the entry of KEYS[2] to delete ('' = none), the number of names and values, then these in turn
--
-- Replies the IDs under which the entries stand, in order.
--
-- May be repeated with the IDs of an earlier reply. Looks at everything first, then adds, then deletes. A stream may run
-- out of entry IDs midway: what was added is taken back then.
--
-- include entry.lua
-- include nothing-refused.lua
local target, taken = KEYS[1], KEYS[2]

local function stands(stream, id, event_id)
  if id == '' then return false end
  local entry = redis.call('XRANGE', stream, id, id)[1]
  return entry and is_of_event(entry[2], event_id)
end

local ids, missing, deletions = {}, {}, {}
local i = 1
while i <= #ARGV do
  local id, event_id, taken_id, count = ARGV[i], ARGV[i + 1], ARGV[i + 2], tonumber(ARGV[i + 3])
  ids[#ids + 1] = id
  if not stands(target, id, event_id) then
    missing[#missing + 1] = { place = #ids, first = i + 4, last = i + 3 + count }
  end
  if stands(taken, taken_id, event_id) then deletions[#deletions + 1] = taken_id end
  i = i + 4 + count
end

ask_to_add(target)
redis.call('XDEL', target, '0-0')
redis.call('XDEL', taken, '0-0')

for n, entry in ipairs(missing) do
  local id = redis.pcall('XADD', target, '*', unpack(ARGV, entry.first, entry.last))
  if type(id) == 'table' then
    for k = 1, n - 1 do redis.call('XDEL', target, ids[missing[k].place]) end
    return id
  end
  ids[entry.place] = id
end
for _, id in ipairs(deletions) do redis.call('XDEL', taken, id) end
return ids
