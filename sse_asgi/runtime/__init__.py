"""The event loop, asyncio or trio: timers, deliveries, tasks and services. Nothing knows streams.

Work that belongs to a request runs in that request's own tasks. Keep-alive for all streams, or the
reader of a hub's log, belongs to no request: it runs in tasks of the event loop, from here.
"""
