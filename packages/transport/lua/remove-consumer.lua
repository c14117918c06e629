-- Removes a consumer's name from a group, if nothing is pending under it.
--
-- KEYS[1] stream, or the group's inject stream   KEYS[2] and ARGV[2] as for the other scripts, not needed here
-- ARGV[1] group   ARGV[3] consumer   ARGV[4] for how many milliseconds it must have been idle
--
-- Replies 1 if the name is gone, 0 if it holds pending entries or was heard of lately.
--
-- XGROUP DELCONSUMER destroys what is pending under the name, and a read may add to it between a check and the
-- removal: hence both in one step.
local stream, group, consumer, min_idle = KEYS[1], ARGV[1], ARGV[3], tonumber(ARGV[4])
if #redis.call('XPENDING', stream, group, '-', '+', 1, consumer) > 0 then
  return 0
end
if min_idle > 0 then
  for _, info in ipairs(redis.call('XINFO', 'CONSUMERS', stream, group)) do
    local name, idle
    for i = 1, #info, 2 do
      if info[i] == 'name' then name = info[i + 1] elseif info[i] == 'idle' then idle = info[i + 1] end
    end
    if name == consumer and idle < min_idle then return 0 end
  end
end
-- Before 7.0 XGROUP asks for memory, whatever it does; behind another write, such as this one of nothing, it does not.
redis.call('XACK', stream, group, '0-0')
redis.call('XGROUP', 'DELCONSUMER', stream, group, consumer)
return 1
