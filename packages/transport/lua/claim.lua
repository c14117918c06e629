-- Takes over pending entries that nobody has touched for a while, one page of the pending list.
--
-- KEYS[1] stream, or the group's inject stream   KEYS[2] the group's failures hash
-- ARGV[1] group   ARGV[2] prefix of entry IDs in the failures hash ('inject:' for injected ones, else '')
-- ARGV[3] consumer   ARGV[4] least idle time in milliseconds   ARGV[5] entries per page
-- ARGV[6] entry ID after which the page begins ('' = at the beginning)
-- ARGV[7] deliveries from which on an entry is left alone   ARGV[8] '1' to report what is left alone
--
-- Replies {cursor or '', {vanished ID...}, {{ID, deliveries, {field, value...}}...}, {{ID, {field, value...}}...}}:
-- claimed, with this delivery among theirs, then left alone. A cursor means that there may be more behind this page,
-- also when nothing on it was claimed. It ends early rather than reply more than a few MiB, which a slow link would not carry
-- in time.
--
-- One script, because between a look at the list and the claim another consumer could keep or acknowledge an
-- entry, and because what was deleted from the stream is reported differently by each server version (6.2 hands
-- out nil and keeps it pending, 7.0 drops it without a word). Entries that were handed back have been idle
-- since 1970, so every claim finds them.
--
-- Deliveries are counted up to the second. What comes up a third time is to be handled alone, and count-delivery
-- counts it when that begins: what only waited beside an event that kills its process must not pay for it.
--
-- include entry.lua
-- include failure.lua
local stream, failures = KEYS[1], KEYS[2]
local group, prefix, consumer, min_idle, count, after = ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5]), ARGV[6]
local max_deliveries, with_given_up = tonumber(ARGV[7]), ARGV[8] == '1'
local enough_bytes = 4 * 1024 * 1024

-- A record that is not this entry's, or cannot be read, must not keep it from being claimed.
local function failed_for_good(id, fields)
  local record, json = failure_of(failures, prefix .. id, fields)
  if json and not record then redis.call('HDEL', failures, prefix .. id) end
  return record and record.final == true
end

local start = after == '' and '-' or '(' .. after
local page = redis.call('XPENDING', stream, group, 'IDLE', min_idle, start, '+', count)
local vanished, claimed, given_up, bytes = {}, {}, {}, 0
local cursor = #page == count and page[#page][1] or ''

local function reply_with(replies, entry)
  replies[#replies + 1] = entry
  for _, text in ipairs(entry[#entry]) do bytes = bytes + #text end
end

for _, pending in ipairs(page) do
  local id, deliveries = pending[1], pending[4]
  local entry = redis.call('XRANGE', stream, id, id)[1]
  if not entry then
    redis.call('HDEL', failures, prefix .. id)
    redis.call('XACK', stream, group, id)
    vanished[#vanished + 1] = id
  elseif deliveries >= max_deliveries or failed_for_good(id, entry[2]) then
    if with_given_up then reply_with(given_up, { id, entry[2] }) end
  else
    local counted = deliveries < 2 and deliveries + 1 or deliveries
    redis.call('XCLAIM', stream, group, consumer, 0, id, 'RETRYCOUNT', counted, 'JUSTID')
    reply_with(claimed, { id, deliveries + 1, entry[2] })
  end
  if bytes > enough_bytes then
    cursor = id
    break
  end
end

-- What was claimed must be replied, also if this is refused: 6.2 asks for memory even to remove a name. The next claim
-- tries again.
if #redis.call('XPENDING', stream, group, '-', '+', 1, '@released') == 0 then
  redis.pcall('XGROUP', 'DELCONSUMER', stream, group, '@released')
end
return { cursor, vanished, claimed, given_up }
