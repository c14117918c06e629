-- Compare-and-append: writes a batch whole, or not at all, and only behind what this source wrote last.
--
-- KEYS[1] stream   KEYS[2] its writers hash
-- ARGV[1] source   ARGV[2] event ID expected in the source's mark ('' = no mark yet)
-- ARGV[3] '1' if the marked entry must still stand in the stream   ARGV[4] number of entries
-- ARGV[5...] per entry the 14 values other than source, in the order of the entry's fields
--
-- Replies {'appended', first ID, last ID} or {'refused', mark or '', '1' if the marked entry is there}.
--
-- No command may fail after the first XADD, or a batch would be left in half: arguments are counted first, and
-- the mark is written once before the entries (its old value), which asks for memory and rights, and once after.
-- A stream whose last ID is (almost) the highest there is would run out of IDs midway: its first entry is taken back.
--
-- include entry-id.lua
local stream, writers = KEYS[1], KEYS[2]
local source, expected, must_be_present, count = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
if not count or count < 1 or #ARGV ~= 4 + 14 * count then
  return redis.error_reply('ERR append: expected 14 values per entry')
end

-- An ID alone proves nothing: after a failover it may have been handed to another event.
local function stands(id, event_id)
  local found = redis.call('XRANGE', stream, id, id)
  if found[1] then
    return found[1][2][1] == 'event_id' and found[1][2][2] == event_id
  end
  local trimmed = redis.call('HGET', writers, '@trimmed')
  return trimmed and at_most(id, trimmed)
end

local mark = redis.call('HGET', writers, source) or ''
local marked_id, marked_event = string.match(mark, '^(%S+) (%S+)$')
local present = marked_id and stands(marked_id, marked_event)
if (marked_event or '') ~= expected or (must_be_present == '1' and marked_id and not present) then
  return { 'refused', mark, present and '1' or '0' }
end

redis.call('HSET', writers, source, mark)
local first, last
for i = 5, #ARGV, 14 do
  last = redis.call('XADD', stream, '*',
    'event_id', ARGV[i], 'source', source, 'position', ARGV[i + 1], 'event_type', ARGV[i + 2],
    'event_version', ARGV[i + 3], 'aggregate_type', ARGV[i + 4], 'aggregate_id', ARGV[i + 5],
    'tenant_id', ARGV[i + 6], 'actor_id', ARGV[i + 7], 'occurred_at', ARGV[i + 8], 'payload', ARGV[i + 9],
    'traceparent', ARGV[i + 10], 'tracestate', ARGV[i + 11], 'correlation_id', ARGV[i + 12],
    'causation_id', ARGV[i + 13])
  first = first or last
  if i == 5 and string.match(first, '^18446744073709551615%-') then
    redis.call('XDEL', stream, first)
    return redis.error_reply('ERR append: the stream has no entry IDs left')
  end
end
redis.call('HSET', writers, source, last .. ' ' .. ARGV[#ARGV - 13])
return { 'appended', first, last }
