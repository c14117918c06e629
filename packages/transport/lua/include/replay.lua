-- Whether what a replay injected last is still known to the inject stream, acknowledged or not: otherwise the stream was
-- lost, and with it what nobody had handled yet.
local function is_intact(inject, last)
  if last == '0-0' then return true end
  local info = redis.pcall('XINFO', 'STREAM', inject)
  if info.err then
    if string.find(info.err, 'no such key', 1, true) then return false end
    -- A refusal is no loss: it ends the script.
    redis.call('XINFO', 'STREAM', inject)
  end
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then
      local ms, seq = string.match(info[i + 1], '^(%d+)-(%d+)$')
      local last_ms, last_seq = string.match(last, '^(%d+)-(%d+)$')
      ms, last_ms = tonumber(ms), tonumber(last_ms)
      return ms > last_ms or (ms == last_ms and tonumber(seq) >= tonumber(last_seq))
    end
  end
end

-- The mark of a replay: token, entry up to which it is injected, ID under which it injected last; nil if it has none.
local function mark_of(marks, replay)
  local token, at, last = string.match(redis.call('HGET', marks, replay) or '', '^(%d+) (%S+) (%S+)$')
  return tonumber(token), at, last
end
