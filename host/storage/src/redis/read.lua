-- Entries of one connection, in order, all as they are at one moment.
--
-- KEYS  1 the names in order, 2 their states, 3 their values
-- ARGV  1 the time, 2 and 3 between which names, 4 how many entries at most
--
-- A state is the version, a blank and when the entry expires, which is empty for never. Answers with
-- name, state and value of each entry.

local now, from, most = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[4])
local found, count = {}, 0

while count < most do
  local names = redis.call('ZRANGEBYLEX', KEYS[1], from, ARGV[3], 'LIMIT', 0, most)
  if #names == 0 then
    break
  end
  local states = redis.call('HMGET', KEYS[2], unpack(names))
  for index, name in ipairs(names) do
    local expires = string.match(states[index], ' (.*)$')
    if count < most and (expires == '' or tonumber(expires) > now) then
      count = count + 1
      found[#found + 1] = name
      found[#found + 1] = states[index]
      found[#found + 1] = redis.call('HGET', KEYS[3], name)
    end
  end
  from = '(' .. names[#names]
end

return found
