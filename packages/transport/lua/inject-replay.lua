-- Injects the next entries of a replay and moves its mark on, in one step: only behind what it injected last, and only
-- under the token that has taken it last. So whoever was frozen, or repeats a call whose reply was lost, adds nothing.
--
-- KEYS[1] the group's inject stream   KEYS[2] the stream's replays hash
-- ARGV[1] replay   ARGV[2] token   ARGV[3] entry of the stream up to which it is injected   ARGV[4] the same afterwards
-- ARGV[5] length of the inject stream from which on nothing is added
-- ARGV[6...] per entry: the number of names and values, then these in turn
--
-- Replies {outcome, ID under which it injected last, first ID in the inject stream or ''}: 'injected', or, when nothing was
-- done, 'full', 'superseded' or 'lost' (the mark is not there, or not where it is expected: take the replay again).
--
-- Looks at everything first. A stream may run out of entry IDs midway: what was added is taken back then.
--
-- include replay.lua
-- include nothing-refused.lua
local inject, marks, replay, token, to = KEYS[1], KEYS[2], ARGV[1], ARGV[2], ARGV[4]
local held, at, last = mark_of(marks, replay)
if held and held > tonumber(token) then return { 'superseded', '', '' } end
if held ~= tonumber(token) or at ~= ARGV[3] or not is_intact(inject, last) then return { 'lost', '', '' } end

local function first_id()
  local first = redis.call('XRANGE', inject, '-', '+', 'COUNT', 1)[1]
  return first and first[1] or ''
end

if #ARGV > 5 then
  if redis.call('XLEN', inject) >= tonumber(ARGV[5]) then return { 'full', last, first_id() } end
  ask_to_add(inject)
end
redis.call('HSET', marks, replay, token .. ' ' .. at .. ' ' .. last)

local added = {}
local i = 6
while i <= #ARGV do
  local count = tonumber(ARGV[i])
  local id = redis.pcall('XADD', inject, '*', unpack(ARGV, i + 1, i + count))
  if type(id) == 'table' then
    for _, taken_back in ipairs(added) do redis.call('XDEL', inject, taken_back) end
    return id
  end
  added[#added + 1] = id
  i = i + 1 + count
end
last = added[#added] or last
redis.call('HSET', marks, replay, token .. ' ' .. to .. ' ' .. last)
return { 'injected', last, first_id() }
