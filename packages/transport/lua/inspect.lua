-- What a stream knows of one source, without writing.
--
-- KEYS[1] stream   KEYS[2] its writers hash
-- ARGV[1] source   ARGV[2] entry ID and ARGV[3] event ID that are asked about ('' = none)
--
-- Replies {mark or '', '1' if the marked entry stands or was trimmed, '1' if the asked one stands, '@trimmed' or ''}.
--
-- include entry-id.lua
local stream, writers = KEYS[1], KEYS[2]
local trimmed = redis.call('HGET', writers, '@trimmed') or ''

local function stands(id, event_id)
  local found = redis.call('XRANGE', stream, id, id)
  if not found[1] then return nil end
  return found[1][2][1] == 'event_id' and found[1][2][2] == event_id
end

-- A mark that is there was there at every trim, too, and a trim goes no further than to the marked entry of a source.
local function stood(id, event_id)
  local found = stands(id, event_id)
  if found == nil then return trimmed ~= '' and at_most(id, trimmed) end
  return found
end

local mark = redis.call('HGET', writers, ARGV[1]) or ''
local marked_id, marked_event = string.match(mark, '^(%S+) (%S+)$')
return {
  mark,
  marked_id and stood(marked_id, marked_event) and '1' or '0',
  ARGV[2] ~= '' and stands(ARGV[2], ARGV[3]) and '1' or '0',
  trimmed,
}
