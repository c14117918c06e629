-- Takes over pending entries that nobody has touched for a while, one page of the pending list.
--
-- KEYS[1] stream, or the group's inject stream   KEYS[2] the group's failures hash
-- ARGV[1] group   ARGV[2] prefix of entry IDs in the failures hash ('inject:' for injected ones, else '')
-- ARGV[3] consumer   ARGV[4] least idle time in milliseconds   ARGV[5] entries per page
-- ARGV[6] entry ID after which the page begins ('' = at the beginning)
-- ARGV[7] deliveries from which on an entry is left alone   ARGV[8] '1' to report what is left alone
--
-- Replies {cursor or '', {vanished ID...}, {{ID, deliveries, {field, value...}}...}, {{ID, {field, value...}}...}}:
-- claimed, with this delivery among theirs, then left alone. A cursor means that there may be more behind this page, also when nothing on it was claimed.
--
-- One script, because between a look at the list and the claim another consumer could keep or acknowledge an
-- entry, and because what was deleted from the stream is reported differently by each server version (6.2 hands
-- out nil and keeps it pending, 7.0 drops it without a word). Entries that were handed back have been idle
-- since 1970, so every claim finds them.
--
-- Deliveries are counted up to the second. What comes up a third time is to be handled alone, and count-delivery
-- counts it when that begins: what only waited beside an event that kills its process must not pay for it.
local stream, failures = KEYS[1], KEYS[2]
local group, prefix, consumer, min_idle, count, after = ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5]), ARGV[6]
local max_deliveries, with_given_up = tonumber(ARGV[7]), ARGV[8] == '1'

local function value_of(fields, name)
  for i = 1, #fields, 2 do
    if fields[i] == name then return fields[i + 1] end
  end
  return ''
end

-- A record of another event is left over from an entry whose ID was handed out a second time. One that cannot be
-- read must not keep the whole list from being claimed.
local function failed_for_good(id, fields)
  local json = redis.call('HGET', failures, prefix .. id)
  if not json then return false end
  local is_json, record = pcall(cjson.decode, json)
  if not is_json or type(record) ~= 'table' or record.eventId ~= value_of(fields, 'event_id') then
    redis.call('HDEL', failures, prefix .. id)
    return false
  end
  return record.final == true
end

local start = after == '' and '-' or '(' .. after
local page = redis.call('XPENDING', stream, group, 'IDLE', min_idle, start, '+', count)
local vanished, claimed, given_up = {}, {}, {}
for _, pending in ipairs(page) do
  local id, deliveries = pending[1], pending[4]
  local entry = redis.call('XRANGE', stream, id, id)[1]
  if not entry then
    redis.call('XACK', stream, group, id)
    redis.call('HDEL', failures, prefix .. id)
    vanished[#vanished + 1] = id
  elseif deliveries >= max_deliveries or failed_for_good(id, entry[2]) then
    if with_given_up then given_up[#given_up + 1] = { id, entry[2] } end
  else
    local counted = deliveries < 2 and deliveries + 1 or deliveries
    redis.call('XCLAIM', stream, group, consumer, 0, id, 'RETRYCOUNT', counted, 'JUSTID')
    claimed[#claimed + 1] = { id, deliveries + 1, entry[2] }
  end
end

if #redis.call('XPENDING', stream, group, '-', '+', 1, '@released') == 0 then
  redis.call('XGROUP', 'DELCONSUMER', stream, group, '@released')
end
return { #page == count and page[#page][1] or '', vanished, claimed, given_up }
