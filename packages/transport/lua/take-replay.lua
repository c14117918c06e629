-- Makes a token the one under which a replay is injected, unless a higher one is.
--
-- KEYS[1] the group's inject stream   KEYS[2] the stream's replays hash
-- ARGV[1] replay   ARGV[2] token   ARGV[3] entry of the stream up to which it need not be injected (again)
--
-- Replies {'taken', entry up to which it is injected, ID under which it injected last ('0-0' = none)} or {'superseded'}.
--
-- The mark and what was injected are written together, and lost together. Without a mark, or if the inject stream does not
-- know what was injected last, the replay goes on from what is known to be handled: ARGV[3].
--
-- include replay.lua
local inject, marks, replay, token = KEYS[1], KEYS[2], ARGV[1], ARGV[2]
local held, at, last = mark_of(marks, replay)
if held and held > tonumber(token) then return { 'superseded' } end
if not held or not is_intact(inject, last) then at, last = ARGV[3], '0-0' end
redis.call('HSET', marks, replay, token .. ' ' .. at .. ' ' .. last)
return { 'taken', at, last }
