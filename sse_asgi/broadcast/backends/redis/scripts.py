"""The Lua scripts, which Redis runs as one step each.

The stretches of a log are the subject of :mod:`.stretches`.
"""

from __future__ import annotations

from hashlib import sha1
from typing import Final

from .stretches import STRETCHES

__all__ = ["CHECK", "CHECK_FULL", "MARKS", "PUBLISH", "READ", "TRIM", "Script"]


class Script:
    """A Lua script, and the digest by which the server remembers it."""

    def __init__(self, source: str) -> None:
        self.source: bytes = source.encode()
        self.digest: bytes = sha1(self.source, usedforsecurity=False).hexdigest().encode()


# ARGV: proposed stretch, run, topic, block, token, the name of the block's field, entries to keep,
# bytes of blocks to keep, milliseconds to keep (0: no limit), milliseconds to keep the token, marks
# of the entry, marks to keep of each kind. Each entry has the sum of all blocks up to it, so that
# two entries tell the bytes between them. At most 32 entries are trimmed by age and bytes a call,
# more than come in. Returns the position, or "exists" or "ended" if the topic takes no such entry.
#
# KEYS: the log, its marks, the token. The marks are a sorted set of topics: "f" and the name of one
# that was begun, "l" and the name of one that has ended, by the sequence of that entry.
PUBLISH: Final = Script(
    STRETCHES
    + """
local chain = stretches(ARGV[1], ARGV[2])
if chain.err then
    return chain
end
local known = redis.call('GET', KEYS[3])
if known then
    local stretch, sequence = string.match(known, '^(%w+)%-(%d+)$')
    for at, one in ipairs(chain) do
        local last = chain[at + 1] and chain[at + 1].start or math.huge
        if one.stretch == stretch and tonumber(sequence) <= last then
            return known
        end
    end
end
local first, last = string.find(ARGV[11], 'f'), string.find(ARGV[11], 'l')
local has_ended = redis.call('ZSCORE', KEYS[2], 'l' .. ARGV[3])
if first and (has_ended or redis.call('ZSCORE', KEYS[2], 'f' .. ARGV[3])) then
    return 'exists'
elseif has_ended then
    return 'ended'
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function add()
    local newest = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
    local sum = (newest and tonumber(newest[2][12]) or 0) + #ARGV[4]
    local fields = {'e', chain[#chain].stretch, 'k', ARGV[5], 'a', string.format('%d', now),
        't', ARGV[3], ARGV[6], ARGV[4], 's', string.format('%d', sum)}
    if first or last then
        fields[13], fields[14] = 'm', ARGV[11]
    end
    return sum, redis.pcall('XADD', log, 'MAXLEN', '~', ARGV[7], '0-*', unpack(fields))
end

local sum, id = add()
if type(id) == 'table' and string.find(id.err, 'equal or smaller', 1, true) then
    -- Another program has added an entry with an ID of the clock: ours would be smaller.
    chain = begin_life(chain, ARGV[1], ARGV[2])
    sum, id = add()
end
if type(id) == 'table' then
    return id
end
local position = chain[#chain].stretch .. '-' .. string.sub(id, 3)
redis.call('SET', KEYS[3], position, 'PX', ARGV[10])
if first then
    redis.call('ZADD', KEYS[2], string.sub(id, 3), 'f' .. ARGV[3])
end
if last then
    redis.call('ZADD', KEYS[2], string.sub(id, 3), 'l' .. ARGV[3])
end
if first or last then
    redis.call('ZREMRANGEBYRANK', KEYS[2], 0, -1 - 2 * ARGV[12])
end

local most, oldest = tonumber(ARGV[8]), now - tonumber(ARGV[9])
if oldest < now or sequence_of(id) % 16 == 0 or #ARGV[4] > 65536 then
    local from, keep = '-', nil
    for _ = 1, 32 do
        local entry = redis.call('XRANGE', log, from, '+', 'COUNT', 1)[1]
        if entry[1] == id then
            break
        end
        local fields = entry[2]
        local size = sum - (tonumber(fields[12]) or sum) + #(fields[10] or '')
        local age = oldest < now and tonumber(fields[6]) or now
        if age >= oldest and size <= most then
            break
        end
        from = '(' .. entry[1]
        keep = '0-' .. string.format('%d', (sequence_of(entry[1]) or 0) + 1)
    end
    if keep then
        redis.call('XTRIM', log, 'MINID', keep)
    end
end
return position
"""
)

# ARGV: proposed stretch, run, and the newest entry that the caller has: life, stretch, sequence and
# token. A server that fell back (a failover, a disk that lost its end) has forgotten that entry,
# and may have given its sequence to another: the log's life ends there, and no position of it is
# valid.
# Returns the life, the floor, the tip, the stretch, and the earlier ones, each with its end.
_CHECK: Final = (
    STRETCHES
    + """
local chain = stretches(ARGV[1], ARGV[2])
if chain.err then
    return chain
end
local tip, first = tip_of_log()
if not tip then
    chain = begin_life(chain, ARGV[1], ARGV[2])
    tip, first = tip_of_log()
end
if chain[1].life == ARGV[3] then
    local newest = tonumber(ARGV[5])
    local fell_back = tip < newest
    for at, one in ipairs(chain) do
        local next_one = chain[at + 1]
        if one.stretch == ARGV[4] and next_one and next_one.start < newest then
            fell_back = true
        end
    end
    if not fell_back and ARGV[6] ~= '' then
        local id = '0-' .. ARGV[5]
        local same = redis.call('XRANGE', log, id, id)
        fell_back = #same > 0 and same[1][2][4] ~= ARGV[6]
    end
    if fell_back then
        chain = begin_life(chain, ARGV[1], ARGV[2])
        tip, first = tip_of_log()
    end
end
local answer = {chain[1].life, first and first - 1 or tip, tip, chain[#chain].stretch}
for at = 1, #chain - 1 do
    answer[#answer + 1] = chain[at].stretch
    answer[#answer + 1] = chain[at + 1].start
end
return answer
"""
)
CHECK: Final = Script(_CHECK)
# A stretch takes some bytes, which a server at its maxmemory grants only if the script declares it.
CHECK_FULL: Final = Script("#!lua flags=allow-oom" + _CHECK)

# ARGV: the command, where to begin and to end, entries and bytes to return at most. One entry is
# returned whatever its size.
READ: Final = Script(
    """
local found, size = {}, 0
local from, most, bytes = ARGV[2], tonumber(ARGV[4]), tonumber(ARGV[5])
local count = 1
while #found < most and size < bytes do
    local entries = redis.call(ARGV[1], KEYS[1], from, ARGV[3], 'COUNT', count)
    for _, entry in ipairs(entries) do
        found[#found + 1] = entry
        for _, value in ipairs(entry[2]) do
            size = size + #value
        end
    end
    if #entries < count then
        break
    end
    from = '(' .. entries[#entries][1]
    local fitting = math.floor((bytes - size) * #found / (size + 1))
    count = math.max(1, math.min(64, most - #found, fitting))
end
return found
"""
)

# ARGV: ranks, counted from the newest mark. Returns the marks, each with its sequence.
MARKS: Final = Script(
    """
return redis.call('ZRANGE', KEYS[1], ARGV[1], ARGV[2], 'REV', 'WITHSCORES')
"""
)

# Makes room in a server at its maxmemory: drops the oldest eighth of the log's bytes, and the bytes
# that are too many. Does nothing if the log is not what fills the server. Returns the number of
# entries that it dropped.
TRIM: Final = Script(
    """#!lua flags=allow-oom
local info = redis.call('XINFO', 'STREAM', KEYS[1])
local length, first, last = 0, nil, nil
for at = 1, #info, 2 do
    if info[at] == 'length' then
        length = info[at + 1]
    elseif info[at] == 'first-entry' and info[at + 1] then
        first = info[at + 1][2]
    elseif info[at] == 'last-entry' and info[at + 1] then
        last = info[at + 1][2]
    end
end
if length < 2 then
    return 0
end
local size = (tonumber(last[12]) or 0) - (tonumber(first[12]) or 0) + #(first[10] or '')
local memory = redis.pcall('INFO', 'memory')
local excess = 0
if type(memory) == 'string' then
    local used = tonumber(string.match(memory, 'used_memory:(%d+)'))
    local limit = tonumber(string.match(memory, 'maxmemory:(%d+)'))
    excess = math.max(0, (used or 0) - (limit or 0))
end
if size <= excess then
    return 0
end
local count = math.min(length - 1, math.ceil(length * (excess / size + 1 / 8)))
return redis.call('XTRIM', KEYS[1], 'MAXLEN', length - count)
"""
)
