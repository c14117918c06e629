-- What follows certain entries in their streams.
--
-- KEYS[1...] streams
-- ARGV[1...] for each stream an entry ID, which need not stand in it
--
-- Replies for each stream the ID of the first entry above that one, or '' where nothing follows. Writes nothing.
local following = {}
for i, stream in ipairs(KEYS) do
  local entry = redis.call('XRANGE', stream, '(' .. ARGV[i], '+', 'COUNT', 1)[1]
  following[i] = entry and entry[1] or ''
end
return following
