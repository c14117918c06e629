-- Trims a stream up to an entry, unless somebody still needs what would go.
--
-- KEYS[1] stream   KEYS[2] its writers hash
-- ARGV[1] ID of the last entry that goes   ARGV[2] lowest ID that stays
-- ARGV[3] ID and ARGV[4] event ID of the last entry that is archived   ARGV[5] at most so many entries go at once
-- ARGV[6...] groups that must have settled all that goes
--
-- Replies {'trimmed', number of entries that went, '1' if all have gone} or {'refused', why, whose}:
--   'changed'  the archived entry does not stand: what is in the stream is not what was archived. It may have gone by an
--              earlier part of the same trim, whose mark stands then.
--   'group'    a group is not there, was not given all that goes, or has some of it pending
--   'writer'   the entry that a source wrote last would go
--
-- The mark comes before the trim, which may take several calls: entries up to it are known to go on purpose.
-- XTRIM of nothing comes before the mark: it is the write that a server without memory lets pass, and behind it the others.
--
-- include entry.lua
-- include entry-id.lua
-- include anchor.lua
-- include delivered.lua
local stream, writers = KEYS[1], KEYS[2]
local up_to, keep_from, limit = ARGV[1], ARGV[2], ARGV[5]

local trimmed = redis.call('HGET', writers, '@trimmed')
local has_begun = trimmed and at_most(up_to, trimmed)
if not has_begun and not (at_most(up_to, ARGV[3]) and is_anchored(stream, ARGV[3], ARGV[4])) then
  return { 'refused', 'changed', '' }
end

local delivered = delivered_ids(stream)
for i = 6, #ARGV do
  local group = ARGV[i]
  if not delivered[group] or not at_most(up_to, delivered[group]) then return { 'refused', 'group', group } end
  local oldest = redis.call('XPENDING', stream, group, '-', '+', 1)[1]
  if oldest and at_most(oldest[1], up_to) then return { 'refused', 'group', group } end
end

local marks = redis.call('HGETALL', writers)
for i = 1, #marks, 2 do
  local id = marks[i] ~= '@trimmed' and string.match(marks[i + 1], '^(%d+-%d+) ')
  if id and at_most(id, up_to) then return { 'refused', 'writer', marks[i] } end
end

redis.call('XTRIM', stream, 'MINID', '0-0')
if not has_begun then redis.call('HSET', writers, '@trimmed', up_to) end
local removed = redis.call('XTRIM', stream, 'MINID', '~', keep_from, 'LIMIT', limit)
if removed > 0 then return { 'trimmed', removed, '0' } end
return { 'trimmed', redis.call('XTRIM', stream, 'MINID', keep_from), '1' }
