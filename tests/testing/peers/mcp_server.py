"""An MCP server whose tool reports progress, which goes over an event stream."""

from __future__ import annotations

from typing import Any

from mcp.server.mcpserver import Context, MCPServer

__all__ = ["make_app"]


def make_app() -> Any:
    """Return the ASGI app of a new server."""
    server = MCPServer("adder")

    @server.tool()
    async def add(a: int, b: int, context: Context[Any, Any]) -> int:
        await context.report_progress(1, 2, "half")
        return a + b

    return server.streamable_http_app(host="test")
