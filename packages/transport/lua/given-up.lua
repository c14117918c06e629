-- Looks through one page of a pending list for entries that wait to be dead-lettered, or that are gone.
--
-- KEYS[1] stream, or the group's inject stream   KEYS[2] the group's failures hash
-- ARGV[1] group   ARGV[2] prefix of entry IDs in the failures hash ('inject:' for injected ones, else '')
-- ARGV[3] least idle time in milliseconds   ARGV[4] entries per page
-- ARGV[5] entry ID after which the page begins ('' = at the beginning)
-- ARGV[6] deliveries from which on an entry waits to be dead-lettered
--
-- Replies {cursor or '', {{ID, consumer, idle, deliveries, failure as JSON or '', {field, value...} or nil}...}}.
-- A cursor means that there may be more behind this page. It ends early rather than reply more than a few MiB.
--
-- Writes nothing. A record of another event under the same ID, or one that cannot be read, counts as none.
--
-- include entry.lua
-- include failure.lua
local stream, failures = KEYS[1], KEYS[2]
local group, prefix, min_idle, count, after = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5]
local max_deliveries = tonumber(ARGV[6])
local enough_bytes = 4 * 1024 * 1024

local start = after == '' and '-' or '(' .. after
local page = redis.call('XPENDING', stream, group, 'IDLE', min_idle, start, '+', count)
local found, bytes = {}, 0
for _, pending in ipairs(page) do
  local id, holder, idle, deliveries = pending[1], pending[2], pending[3], pending[4]
  local entry = redis.call('XRANGE', stream, id, id)[1]
  if not entry then
    found[#found + 1] = { id, holder, idle, deliveries, '', false }
  else
    local record, json = failure_of(failures, prefix .. id, entry[2])
    if deliveries >= max_deliveries or (record and record.final == true) then
      found[#found + 1] = { id, holder, idle, deliveries, record and json or '', entry[2] }
      for _, text in ipairs(entry[2]) do bytes = bytes + #text end
      if bytes > enough_bytes then return { id, found } end
    end
  end
end
return { #page == count and page[#page][1] or '', found }
