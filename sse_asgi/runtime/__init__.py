"""The event loop, asyncio or trio. Nothing here knows of streams."""
