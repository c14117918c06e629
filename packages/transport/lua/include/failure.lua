-- The recorded failure of an entry, decoded, and its text: no record if it is of another event, left over from an entry
-- whose ID was handed out a second time, or cannot be read; neither if there is none.
local function failure_of(failures, field, fields)
  local json = redis.call('HGET', failures, field)
  if not json then return nil end
  local is_json, record = pcall(cjson.decode, json)
  if not is_json or type(record) ~= 'table' or type(record.eventId) ~= 'string' then return nil, json end
  return is_of_event(fields, record.eventId) and record or nil, json
end
