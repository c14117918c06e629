-- Takes over pending entries that nobody has touched for a while, one page of the pending list.
--
-- KEYS[1] stream   KEYS[2] the group's failures hash
-- ARGV[1] group   ARGV[2] consumer   ARGV[3] least idle time in milliseconds   ARGV[4] entries per page
-- ARGV[5] entry ID after which the page begins ('' = at the beginning)
--
-- Replies {cursor or '', {vanished ID...}, {{ID, deliveries, {field, value...}}...}}. A cursor means that there
-- may be more behind this page, also when nothing on it was claimed.
--
-- One script, because between a look at the list and the claim another consumer could keep or acknowledge an
-- entry, and because what was deleted from the stream is reported differently by each server version (6.2 hands
-- out nil and keeps it pending, 7.0 drops it without a word). Entries that were handed back have been idle
-- since 1970, so every claim finds them.
local stream, failures = KEYS[1], KEYS[2]
local group, consumer, min_idle, count, after = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5]

local function value_of(fields, name)
  for i = 1, #fields, 2 do
    if fields[i] == name then return fields[i + 1] end
  end
  return ''
end

-- A record of another event is left over from an entry whose ID was handed out a second time. One that cannot be
-- read must not keep the whole list from being claimed.
local function gave_up(id, fields)
  local json = redis.call('HGET', failures, id)
  if not json then return false end
  local is_json, record = pcall(cjson.decode, json)
  if not is_json or type(record) ~= 'table' or record.eventId ~= value_of(fields, 'event_id') then
    redis.call('HDEL', failures, id)
    return false
  end
  return record.final == true
end

local start = after == '' and '-' or '(' .. after
local page = redis.call('XPENDING', stream, group, 'IDLE', min_idle, start, '+', count)
local vanished, claimed = {}, {}
for _, pending in ipairs(page) do
  local id, deliveries = pending[1], pending[4]
  local entry = redis.call('XRANGE', stream, id, id)[1]
  if not entry then
    redis.call('XACK', stream, group, id)
    redis.call('HDEL', failures, id)
    vanished[#vanished + 1] = id
  elseif not gave_up(id, entry[2]) then
    redis.call('XCLAIM', stream, group, consumer, 0, id)
    claimed[#claimed + 1] = { id, deliveries + 1, entry[2] }
  end
end

if #redis.call('XPENDING', stream, group, '-', '+', 1, '@released') == 0 then
  redis.call('XGROUP', 'DELCONSUMER', stream, group, '@released')
end
return { #page == count and page[#page][1] or '', vanished, claimed }
