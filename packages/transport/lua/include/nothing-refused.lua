-- A script that adds entries and takes others away must not be refused midway, so it first asks for everything by
-- commands that change nothing. It asks for memory before all else, since the server judges that only by a script's first
-- write. No entry can have the ID 0-0: whatever else XADD answers is a refusal, which ends the script.
local function ask_to_add(stream)
  local answer = redis.pcall('XADD', stream, '0-0', '', '')
  if not string.find(answer.err, 'greater than 0-0', 1, true) then redis.call('XADD', stream, '0-0', '', '') end
end
