-- What decides how far a stream may be trimmed, all of it at one instant, without writing.
--
-- KEYS[1] stream   KEYS[2] its writers hash
-- ARGV[1] ID and ARGV[2] event ID of the entry that is asked about ('' = none)   ARGV[3...] groups
--
-- Replies {length, first ID or '', last ID or '', bytes, milliseconds since the epoch, '1' if the entry that is asked about
-- stands, {field, value...} of the writers hash, {{last delivered ID, oldest pending ID or ''} or {} if the group is not
-- there, for each group}}.
--
-- include entry.lua
-- include anchor.lua
-- include delivered.lua
local stream, writers = KEYS[1], KEYS[2]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local marks = redis.call('HGETALL', writers)
local groups = {}
for i = 3, #ARGV do groups[i - 2] = {} end
if redis.call('EXISTS', stream) == 0 then
  return { 0, '', '', 0, now, '0', marks, groups }
end

local delivered = delivered_ids(stream)
for i = 3, #ARGV do
  local id = delivered[ARGV[i]]
  if id then
    local oldest = redis.call('XPENDING', stream, ARGV[i], '-', '+', 1)[1]
    groups[i - 2] = { id, oldest and oldest[1] or '' }
  end
end

local first = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)[1]
local last = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
return {
  redis.call('XLEN', stream),
  first and first[1] or '',
  last and last[1] or '',
  redis.call('MEMORY', 'USAGE', stream) or 0,
  now,
  ARGV[1] ~= '' and is_anchored(stream, ARGV[1], ARGV[2]) and '1' or '0',
  marks,
  groups,
}
