-- Counts, a part of the hash at a time, the failures after which no further attempt is made.
--
-- KEYS[1] a group's failures hash
-- ARGV[1] cursor ('0' = at the beginning)   ARGV[2] 'inject:' to count injected entries, '' to count the others
--
-- Replies {cursor, count}; the cursor '0' ends it.
--
-- The records stay here: an outage leaves megabytes of them. Within a JSON text no quote stands unescaped, so the
-- pattern is found nowhere but where it means the field.
local reply = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', 200)
local count = 0
for i = 1, #reply[2], 2 do
  local is_injected = string.sub(reply[2][i], 1, 7) == 'inject:'
  if is_injected == (ARGV[2] ~= '') and string.find(reply[2][i + 1], '"final":true', 1, true) then
    count = count + 1
  end
end
return { reply[1], count }
