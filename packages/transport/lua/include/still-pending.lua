-- Whether XCLAIM found the entry. From 7.0 on it drops from the pending list what no longer stands in its stream: the
-- recorded failure must go with it.
local function still_pending(touched, failures, field)
  if #touched == 1 then return true end
  redis.call('HDEL', failures, field)
  return false
end
