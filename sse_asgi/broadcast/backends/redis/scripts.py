"""What runs inside the engine, where nothing comes between its steps.

A log is one stream. The name of its only consumer group is the log's epoch: it is created with the
stream and lost with it, so a new stream never passes for the old one. Entry IDs are ``0-1``,
``0-2``, ... (``0-*``, Redis 7.0), whatever the engine's clock does.
"""

from __future__ import annotations

from hashlib import sha1
from typing import Final

__all__ = ["CHECK", "PUBLISH", "Script"]


class Script:
    """A Lua script, and the digest by which the engine remembers it."""

    def __init__(self, source: str) -> None:
        self.source = source.encode()
        self.digest = sha1(self.source, usedforsecurity=False).hexdigest().encode()


_EPOCH: Final = """
local log = KEYS[1]
local function epoch_of_log(proposed)
    if redis.call('EXISTS', log) == 0 then
        redis.call('XGROUP', 'CREATE', log, proposed, '0', 'MKSTREAM')
        return proposed
    end
    local groups = redis.call('XINFO', 'GROUPS', log)
    if #groups ~= 1 then
        return nil
    end
    return groups[1][2]
end
local foreign = redis.error_reply('ERR the key holds a stream that is not a log of sse_asgi')
"""

# ARGV: proposed epoch, topic, block, token, entries to keep, milliseconds to keep (0: no limit),
# milliseconds to keep the token, the name of the block's field. Trims by age at most 32 entries a
# call, so more than come in.
PUBLISH: Final = Script(
    _EPOCH
    + """
local epoch = epoch_of_log(ARGV[1])
if not epoch then
    return foreign
end
local known = redis.call('GET', KEYS[2])
if known and string.sub(known, 1, #epoch + 1) == epoch .. '-' then
    return known
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local id = redis.call('XADD', log, 'MAXLEN', '~', ARGV[5], '0-*',
    'e', epoch, 'k', ARGV[4], 'a', string.format('%d', now), 't', ARGV[2], ARGV[8], ARGV[3])
local position = epoch .. '-' .. string.sub(id, 3)
redis.call('SET', KEYS[2], position, 'PX', ARGV[7])
local oldest = now - tonumber(ARGV[6])
local function trim(count)
    local keep
    for at, entry in ipairs(redis.call('XRANGE', log, '-', '+', 'COUNT', count)) do
        if entry[1] == id or tonumber(entry[2][6]) >= oldest then
            if at > 1 then
                redis.call('XTRIM', log, 'MINID', entry[1])
            end
            return false
        end
        keep = '0-' .. string.format('%d', tonumber(string.sub(entry[1], 3)) + 1)
    end
    redis.call('XTRIM', log, 'MINID', keep)
    return true
end
if oldest < now and trim(1) then
    trim(31)
end
return position
"""
)

# ARGV: proposed epoch, and what the caller has: epoch, sequence and token of its newest entry.
# An engine that fell back (a failover, a disk that lost its end) has forgotten that entry, and may
# have given its sequence to another: the log's life ends there, and no position of it is valid.
# Returns the epoch, the floor and the tip.
CHECK: Final = Script(
    _EPOCH
    + """
local epoch = epoch_of_log(ARGV[1])
if not epoch then
    return foreign
end
local info = redis.call('XINFO', 'STREAM', log)
local tip, first
for at = 1, #info, 2 do
    if info[at] == 'last-generated-id' then
        tip = tonumber(string.sub(info[at + 1], 3))
    elseif info[at] == 'first-entry' and info[at + 1] then
        first = tonumber(string.sub(info[at + 1][1], 3))
    end
end
if epoch == ARGV[2] then
    local newest = tonumber(ARGV[3])
    local fell_back = tip < newest
    if not fell_back and ARGV[4] ~= '' then
        local id = '0-' .. ARGV[3]
        local same = redis.call('XRANGE', log, id, id)
        fell_back = #same > 0 and same[1][2][4] ~= ARGV[4]
    end
    if fell_back then
        redis.call('XGROUP', 'DESTROY', log, epoch)
        redis.call('XTRIM', log, 'MAXLEN', 0)
        epoch, first = ARGV[1], nil
        redis.call('XGROUP', 'CREATE', log, epoch, '$')
    end
end
return {epoch, first and first - 1 or tip, tip}
"""
)
