-- What a client has read of bytes that are no UTF-8 is not what stands here: any that are no ASCII count as the same.
local function readable(event_id)
  return (string.gsub(event_id, '[\128-\255]+', '?'))
end

-- Whether these are the fields of an entry of the event; '' stands for the events of entries that name none. A name
-- that comes twice keeps its last value, as it does for clients.
local function is_of_event(fields, event_id)
  for i = #fields - 1, 1, -2 do
    if fields[i] == 'event_id' then return readable(fields[i + 1]) == readable(event_id) end
  end
  return event_id == ''
end
