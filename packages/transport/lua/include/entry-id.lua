-- Whether an entry ID is another one, or comes before it.
local function at_most(id, limit)
  local ms, seq = string.match(id, '^(%d+)-(%d+)$')
  local limit_ms, limit_seq = string.match(limit, '^(%d+)-(%d+)$')
  ms, limit_ms = tonumber(ms), tonumber(limit_ms)
  return ms < limit_ms or (ms == limit_ms and tonumber(seq) <= tonumber(limit_seq))
end
