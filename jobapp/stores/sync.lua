-- What a client learnt comes in, what the others learnt goes out: one atomic step, one round trip.
--
-- For each id of a block there is one hash that expires by itself; its fields are "kind|since|until" and its
-- values are blocks as JSON. Times are texts of one length, so they compare as times do. The rules of merging
-- are those of state.py.
--
-- KEYS  meta     hash: epoch (new when the data was lost), version (counts changes)
--       changes  sorted set: the name of each id by the version of its last change
--       resets   hash: "provider|fingerprint|kind", "*" for any, to the time of the newest reset
-- ARGV  1 prefix of the blocks' keys   2 an epoch for a server that has none   3 the source the client knows
--       4 the version it has seen      5 how many ids one answer may hold      6 ms to keep what lies unused
--       7 JSON {horizon: resets before it are of no use any more,
--               resets: [{provider, fingerprint, kind, at, covers: it ends what was learnt until then}],
--               blocks: [{name, provider, fingerprint, kind, since, until, ttl, payload}]}
-- Gives {source, 1 if the client must start anew, version seen, 1 if there is more, blocks, resets, ended}

local meta, changes, resets = KEYS[1], KEYS[2], KEYS[3]
local prefix, new_epoch, known_source, seen, page, keep = unpack(ARGV, 1, 6)
local learnt = cjson.decode(ARGV[7])
local ended = {}

local function keep_all()
  for _, key in ipairs(KEYS) do
    redis.call('PEXPIRE', key, keep)
  end
end

-- The run of the server and the epoch of its data: another one means that changes may have been lost.
local function source()
  local allowed, info = pcall(redis.call, 'INFO', 'server')
  local run = allowed and type(info) == 'string' and string.match(info, 'run_id:(%x+)') or ''
  local counted = redis.call('HGET', meta, 'version')
  if counted and not string.match(counted, '^%d+$') then
    redis.call('DEL', meta)
  end
  if redis.call('HSETNX', meta, 'epoch', new_epoch) == 1 then
    keep_all()
  end
  return run .. ':' .. redis.call('HGET', meta, 'epoch')
end

local function next_version()
  return redis.call('HINCRBY', meta, 'version', 1)
end

local function was_reset(block)
  for _, provider in ipairs({block.provider, '*'}) do
    for _, fingerprint in ipairs({block.fingerprint, '*'}) do
      for _, kind in ipairs({block.kind, '*'}) do
        local at = redis.call('HGET', resets, provider .. '|' .. fingerprint .. '|' .. kind)
        if at and block.since <= at then
          return true
        end
      end
    end
  end
  return false
end

-- Whether every block that the one reset ends is ended by the other too.
local function includes(wide, narrow)
  for _, part in ipairs({'provider', 'fingerprint', 'kind'}) do
    if wide[part] ~= '*' and wide[part] ~= narrow[part] then
      return false
    end
  end
  return narrow.at <= wide.at
end

-- Note the reset and forget those that it makes needless; false if it is needless itself.
local function note(reset)
  local known = redis.call('HGETALL', resets)
  for i = 1, #known, 2 do
    local other = {at = known[i + 1]}
    other.provider, other.fingerprint, other.kind = string.match(known[i], '^(.-)|(.-)|(.*)$')
    if includes(other, reset) then
      return false
    end
    if includes(reset, other) or other.at < learnt.horizon then
      redis.call('HDEL', resets, known[i])
    end
  end
  redis.call('HSET', resets, reset.provider .. '|' .. reset.fingerprint .. '|' .. reset.kind, reset.at)
  next_version()
  return true
end

local function apply(reset)
  if not note(reset) then
    return
  end
  for _, name in ipairs(redis.call('ZRANGE', changes, 0, -1)) do
    local provider, fingerprint = string.match(name, '^([^:]*):([^:]*)')
    if (reset.provider == '*' or reset.provider == provider)
        and (reset.fingerprint == '*' or reset.fingerprint == fingerprint) then
      for _, field in ipairs(redis.call('HKEYS', prefix .. name)) do
        local kind, since = string.match(field, '^([^|]*)|([^|]*)|')
        if kind and (reset.kind == '*' or reset.kind == kind) and since <= reset.covers then
          table.insert(ended, redis.call('HGET', prefix .. name, field))
          redis.call('HDEL', prefix .. name, field)
        end
      end
    end
  end
end

local function merge(block)
  local key = prefix .. block.name
  local ends, outdone = block['until'], {}
  for _, field in ipairs(redis.call('HKEYS', key)) do
    local kind, since, until_ = string.match(field, '^([^|]*)|([^|]*)|([^|]*)')
    if kind == block.kind then
      if since == block.since and until_ == ends then
        if redis.call('HGET', key, field) >= block.payload then
          return
        end
      elseif since >= block.since and until_ >= ends then
        return
      elseif since <= block.since and until_ <= ends then
        table.insert(outdone, field)
      end
    end
  end
  for _, field in ipairs(outdone) do
    redis.call('HDEL', key, field)
  end
  redis.call('HSET', key, block.kind .. '|' .. block.since .. '|' .. ends, block.payload)
  if redis.call('PTTL', key) < block.ttl then
    redis.call('PEXPIRE', key, block.ttl)
  end
  redis.call('ZADD', changes, next_version(), block.name)
end

local now_source = source()
for _, reset in ipairs(learnt.resets) do
  apply(reset)
end
for _, block in ipairs(learnt.blocks) do
  if not was_reset(block) then
    merge(block)
  end
end
if #learnt.resets + #learnt.blocks > 0 then
  keep_all()
end

local version = tonumber(redis.call('HGET', meta, 'version') or '0')
local anew = now_source ~= known_source or version < tonumber(seen)
if anew then
  seen = '0'
end
local blocks = {}
local found = redis.call('ZRANGEBYSCORE', changes, '(' .. seen, '+inf', 'WITHSCORES', 'LIMIT', 0, page)
for i = 1, #found, 2 do
  local payloads = redis.call('HVALS', prefix .. found[i])
  if #payloads == 0 then
    redis.call('ZREM', changes, found[i])
  end
  for _, payload in ipairs(payloads) do
    table.insert(blocks, payload)
  end
end
local more = #found == 2 * tonumber(page)
if more then
  version = tonumber(found[#found])
end
local all_resets = version ~= tonumber(seen) and redis.call('HGETALL', resets) or {}
return {now_source, anew and 1 or 0, version, more and 1 or 0, blocks, all_resets, ended}
