-- Hands entries back, as if they had not been delivered this time.
--
-- KEYS[1] stream, or the group's inject stream
-- ARGV[1] group   ARGV[2] consumer   ARGV[3...] entry IDs
--
-- Replies how many were handed back.
--
-- A pending entry always has an owner: the reserved name @released stands for nobody, and claim removes it when
-- nothing is left under it. TIME 0 makes the entry idle since 1970, so that every claim finds it, and the
-- delivery that is not to count is taken off again. Only what is still this consumer's, checked in the same step.
local stream, group, consumer = KEYS[1], ARGV[1], ARGV[2]
local released = 0
for i = 3, #ARGV do
  local pending = redis.call('XPENDING', stream, group, ARGV[i], ARGV[i], 1, consumer)[1]
  if pending then
    local deliveries = math.max(pending[4] - 1, 0)
    local moved = redis.call('XCLAIM', stream, group, '@released', 0, ARGV[i],
      'TIME', 0, 'RETRYCOUNT', deliveries, 'JUSTID')
    released = released + #moved
  end
end
return released
