-- Trims a stream up to an entry, unless somebody still needs what would go.
--
-- KEYS[1] stream   KEYS[2] its writers hash
-- ARGV[1] ID of the last entry that goes   ARGV[2] lowest ID that stays
-- ARGV[3] ID and ARGV[4] event ID of the last entry that is archived   ARGV[5] at most so many entries go at once
-- ARGV[6] number of groups that must be there, those groups, and then the groups that may lose what goes
--
-- Replies {'trimmed', number of entries that went, '1' if all have gone} or {'refused', why, whose}:
--   'changed'  the archived entry does not stand: what is in the stream is not what was archived. It may have gone by an
--              earlier part of the same trim, whose mark stands then.
--   'group'    a group that must be there is not, or one that may not lose what goes was not given all of it, or has some
--              of it pending: also one that came when the caller had made its lists
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
local last_group = 6 + tonumber(ARGV[6])
for i = 7, last_group do
  if not delivered[ARGV[i]] then return { 'refused', 'group', ARGV[i] } end
end
local may_lose = {}
for i = last_group + 1, #ARGV do may_lose[ARGV[i]] = true end
for group, delivered_id in pairs(delivered) do
  if not may_lose[group] then
    local oldest = redis.call('XPENDING', stream, group, '-', '+', 1)[1]
    if not at_most(up_to, delivered_id) or (oldest and at_most(oldest[1], up_to)) then
      return { 'refused', 'group', group }
    end
  end
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
