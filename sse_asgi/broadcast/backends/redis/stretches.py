"""The stretches of a log, which prove that a position is one of its own.

A log is one stream. Entry IDs are ``0-1``, ``0-2``, ... (``0-*``, Redis 7.0), whatever the
server's clock does. The stream's consumer groups have no consumers. Each group is a *stretch* of
the log: the entries that one start of the server has added. Its name is
``stretch:run:life:order``:

* the stretch, by which the IDs of these entries begin;
* the run, which is another one whenever the server starts, or another server takes over;
* the life, which ends when the log is lost or went back in time;
* a number that rises from one stretch to the next.

A group's last delivered ID is the sequence before its stretch. So a stretch ends where the next one
begins, and a position is valid if its stretch is known and reaches so far. A server that comes back
with older data begins a new stretch at the older end. Positions of the entries it lost are beyond
the end of their stretch then: clients that have one get a gap, even if nobody else remembers. The
groups are part of the stream, are lost with it, and fall back with it.
"""

from __future__ import annotations

from typing import Final

__all__ = ["STRETCHES"]

# The marks outlive the log's life, but their sequences do not: 0 is before every entry.
# A log of an older version has one group, whose name is the life alone: it goes on as it is.
STRETCHES: Final = """
local log = KEYS[1]
local MOST = 16

local function sequence_of(id)
    return string.sub(id, 1, 2) == '0-' and tonumber(string.sub(id, 3)) or nil
end

local function create(stretch, run, life, order, start)
    local name = table.concat({stretch, run, life, string.format('%d', order)}, ':')
    redis.call('XGROUP', 'CREATE', log, name, start, 'MKSTREAM')
    return {name = name, stretch = stretch, run = run, life = life, order = order}
end

local function parse(group)
    local name, start = group[2], sequence_of(group[8])
    local stretch, run, life, order = string.match(name, '^(%w+):(%w*):(%w+):(%d+)$')
    if not stretch and string.match(name, '^%w+$') then
        stretch, run, life, order = name, '', name, -1
    end
    if not stretch or not start then
        return nil
    end
    return {name = name, stretch = stretch, run = run, life = life, order = tonumber(order),
        start = start}
end

local function tip_of_log()
    local info = redis.call('XINFO', 'STREAM', log)
    local tip, first
    for at = 1, #info, 2 do
        if info[at] == 'last-generated-id' then
            tip = sequence_of(info[at + 1])
        elseif info[at] == 'first-entry' and info[at + 1] then
            first = sequence_of(info[at + 1][1])
        end
    end
    return tip, first
end

local function forget_sequences()
    redis.call('ZUNIONSTORE', KEYS[2], 1, KEYS[2], 'WEIGHTS', 0)
end

local function begin_life(chain, proposed, run)
    forget_sequences()
    for _, one in ipairs(chain) do
        redis.call('XGROUP', 'DESTROY', log, one.name)
    end
    redis.call('XTRIM', log, 'MAXLEN', 0)
    local tip = tip_of_log()
    if not tip then
        redis.call('XSETID', log, '0-0')
    end
    local one = create(proposed, run, proposed, 0, '$')
    one.start = tip or 0
    return {one}
end

local function stretches(proposed, run)
    local groups = redis.pcall('XINFO', 'GROUPS', log)
    if groups.err then
        if not string.find(groups.err, 'no such key', 1, true) then
            return groups
        end
        forget_sequences()
        local one = create(proposed, run, proposed, 0, '0')
        one.start = 0
        return {one}
    end
    local chain = {}
    for _, group in ipairs(groups) do
        chain[#chain + 1] = parse(group)
    end
    if #chain == 0 or #chain < #groups then
        return redis.error_reply('ERR the key holds a stream that is not a log of sse_asgi')
    end
    table.sort(chain, function(a, b) return a.order < b.order end)
    local newest = chain[#chain]
    if run == '' or newest.run == run then
        return chain
    end
    if newest.order < 0 then
        redis.call('XGROUP', 'DESTROY', log, newest.name)
        local start = '0-' .. string.format('%d', newest.start)
        chain[1] = create(newest.stretch, run, newest.life, 0, start)
        chain[1].start = newest.start
        return chain
    end
    local tip, first = tip_of_log()
    if not tip then
        return begin_life(chain, proposed, run)
    end
    while #chain > 1 and (#chain >= MOST or chain[2].start < (first or 0) - 1) do
        redis.call('XGROUP', 'DESTROY', log, table.remove(chain, 1).name)
    end
    local one = create(proposed, run, newest.life, newest.order + 1, '$')
    one.start = tip
    chain[#chain + 1] = one
    return chain
end
"""
