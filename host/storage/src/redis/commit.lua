-- Applies all writes if every expectation holds, otherwise none. Answers with 1 or 0.
--
-- KEYS  1 the last version, of all connections; and of one connection: 2 the names in order, 3 their
--       states, 4 their values, 5 when those that expire do
-- ARGV  1 the time, 2 how many expired entries to remove, 3 how many expectations there are; then a
--       name and the version it must have, after `=`, or nothing if it must be absent, of each; then
--       `put` or `delete`, name, value and when it expires, or nothing for never, of each write
--
-- A state is the version, a blank and when the entry expires.

local now = tonumber(ARGV[1])
local position = 4

for _ = 1, tonumber(ARGV[3]) do
  local name, expected = ARGV[position], ARGV[position + 1]
  position = position + 2
  local state, actual = redis.call('HGET', KEYS[3], name), ''
  if state then
    local version, expires = string.match(state, '^(%d+) (.*)$')
    if expires == '' or tonumber(expires) > now then
      actual = '=' .. version
    end
  end
  if actual ~= expected then
    return 0
  end
end

local function remove(name)
  redis.call('ZREM', KEYS[2], name)
  redis.call('HDEL', KEYS[3], name)
  redis.call('HDEL', KEYS[4], name)
  redis.call('ZREM', KEYS[5], name)
end

-- Taken only where it is needed: a server whose memory is full refuses it, and must still delete.
local version

for at = position, #ARGV, 4 do
  local action, name, value, expires = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  if action == 'put' then
    version = version or string.format('%.0f', redis.call('INCR', KEYS[1]))
    redis.call('ZADD', KEYS[2], 0, name)
    redis.call('HSET', KEYS[3], name, version .. ' ' .. expires)
    redis.call('HSET', KEYS[4], name, value)
    if expires == '' then
      redis.call('ZREM', KEYS[5], name)
    else
      redis.call('ZADD', KEYS[5], expires, name)
    end
  else
    remove(name)
  end
end

if #ARGV >= position then
  for _, name in ipairs(redis.call('ZRANGEBYSCORE', KEYS[5], '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])) do
    remove(name)
  end
end

return 1
