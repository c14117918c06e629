-- Moves a pending entry to the dead letters of its group.
--
-- KEYS[1] stream, or the group's inject stream   KEYS[2] the group's failures hash   KEYS[3] its dead letters
-- ARGV[1] group   ARGV[2] prefix of entry IDs in the failures hash ('inject:' for injected ones, else '')
-- ARGV[3] entry ID   ARGV[4] event ID of its entry ('' = it has none)
-- ARGV[5...] alternately the name and the value of what the dead letter has besides the entry's fields
--
-- Replies the ID of the dead letter, or nil if that event is not pending under this ID: it was moved before, or handled.
--
-- One step: an entry is pending or dead-lettered, never both and never neither. It needs no XCLAIM, since nobody can
-- act in between.
--
-- include entry.lua
-- include nothing-refused.lua
local stream, failures, letters = KEYS[1], KEYS[2], KEYS[3]
local group, prefix, id, event_id = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

if #redis.call('XPENDING', stream, group, id, id, 1) == 0 then return false end
local entry = redis.call('XRANGE', stream, id, id)[1]
if not entry or not is_of_event(entry[2], event_id) then return false end

local letter = {}
for i = 1, #entry[2], 2 do
  local name, value = entry[2][i], entry[2][i + 1]
  -- Only says that a redriven event is of live traffic.
  if name ~= 'replay_id' or value ~= '' then
    letter[#letter + 1] = name
    letter[#letter + 1] = value
  end
end
for i = 5, #ARGV do letter[#letter + 1] = ARGV[i] end
if #letter > 7900 then return redis.error_reply('ERR dead-letter: the entry has too many fields to be copied') end

ask_to_add(letters)
redis.call('HDEL', failures, '')
redis.call('XACK', stream, group, '0-0')
if prefix ~= '' then redis.call('XDEL', stream, '0-0') end

local letter_id = redis.call('XADD', letters, '*', unpack(letter))
redis.call('HDEL', failures, prefix .. id)
redis.call('XACK', stream, group, id)
if prefix ~= '' then redis.call('XDEL', stream, id) end
return letter_id
