-- Forgets the mark of a replay and takes back what it injected and nobody has read yet.
--
-- KEYS[1] the group's inject stream   KEYS[2] the stream's replays hash
-- ARGV[1] replay   ARGV[2] group   ARGV[3] replay_id of the entries to take back ('' = none)
--
-- Replies how many entries were taken back. May be repeated.
local inject, group, replay_id = KEYS[1], ARGV[2], ARGV[3]
redis.call('HDEL', KEYS[2], ARGV[1])
if replay_id == '' then return 0 end

local function named(flat, name)
  for i = 1, #flat, 2 do
    if flat[i] == name then return flat[i + 1] end
  end
end

local unread = '-'
if redis.call('EXISTS', inject) == 0 then return 0 end
for _, info in ipairs(redis.call('XINFO', 'GROUPS', inject)) do
  if named(info, 'name') == group then unread = '(' .. named(info, 'last-delivered-id') end
end
local count = 0
for _, entry in ipairs(redis.call('XRANGE', inject, unread, '+')) do
  if named(entry[2], 'replay_id') == replay_id then count = count + redis.call('XDEL', inject, entry[1]) end
end
return count
