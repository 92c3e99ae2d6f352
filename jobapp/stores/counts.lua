-- What a client used is added, and what all used goes out: one atomic step, one round trip.
--
-- Each day and each month is a hash that expires by itself. Its field "" is "epoch:version" (the epoch is new
-- when the hash is, the version counts changes); each other field names what is counted, and its value is
-- "requests tokens dollars". The rules are those of limits/counts.py.
--
-- KEYS  writer  string: the number of the writer's last batch
--       days    hashes
-- ARGV  1 the number of the batch, 0 for none   2 ms to keep the writer   3 an epoch for a new hash
--       4 JSON: for each day {seen: its field "", as the client knows it, keep: ms,
--               used: [[name, requests, tokens, dollars]: the batch],
--               known: the same of all that the client knows of it, where it was told that data were lost}
-- Gives for each day {its field ""} where that is what the client has seen, else {it, all names and values};
-- nothing where the server has less than the client has seen: it is told again what is known, then the rest

local number, keep_writer, new_epoch = tonumber(ARGV[1]), ARGV[2], ARGV[3]
local days = cjson.decode(ARGV[4])
local is_new = number > (tonumber(redis.call('GET', KEYS[1]) or '0') or 0)

local function stamp_of(key)
  local stamp = redis.pcall('HGET', key, '') or ''
  if type(stamp) == 'table' then  -- it is no hash, so it is not ours
    redis.call('DEL', key)
    stamp = ''
  end
  local epoch, version = string.match(stamp, '^(%x+):(%d+)$')
  return epoch or '', tonumber(version or 0)
end

local function has_lost(key, seen)
  local epoch, version = stamp_of(key)
  local seen_epoch, seen_version = string.match(seen, '^(%x+):(%d+)$')
  return seen_epoch ~= nil and (epoch ~= seen_epoch or version < tonumber(seen_version))
end

local function change(key, rows, combine)
  for _, row in ipairs(rows) do
    local values, i = {}, 2
    for text in string.gmatch(redis.call('HGET', key, row[1]) or '', '%S+') do
      values[#values + 1] = tonumber(text)
    end
    for place = 1, 3 do
      values[place] = string.format('%.17g', combine(values[place] or 0, row[place + 1]))
    end
    redis.call('HSET', key, row[1], table.concat(values, ' ', 1, 3))
  end
end

local function plus(one, other)
  return one + other
end

for i, day in ipairs(days) do
  if not day.known and has_lost(KEYS[i + 1], day.seen) then
    return {}
  end
end

local told = {}
for i, day in ipairs(days) do
  local key = KEYS[i + 1]
  local epoch, version = stamp_of(key)
  local used, known = is_new and day.used or {}, day.known or {}
  if #used + #known > 0 then
    change(key, known, math.max)
    change(key, used, plus)
    epoch = epoch ~= '' and epoch or new_epoch
    version = version + 1
    redis.call('HSET', key, '', epoch .. ':' .. version)
    redis.call('PEXPIRE', key, day.keep)
  end
  local stamp = redis.call('HGET', key, '') or ''
  told[i] = stamp == day.seen and {stamp} or {stamp, redis.call('HGETALL', key)}
end
if is_new then
  redis.call('SET', KEYS[1], number, 'PX', keep_writer)
end
return told
