-- The ID that each group of a stream was given last, by the group's name.
local function delivered_ids(stream)
  local delivered = {}
  for _, info in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
    local name, id
    for i = 1, #info, 2 do
      if info[i] == 'name' then name = info[i + 1] elseif info[i] == 'last-delivered-id' then id = info[i + 1] end
    end
    delivered[name] = id
  end
  return delivered
end
