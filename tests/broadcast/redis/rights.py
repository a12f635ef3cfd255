"""What the guide says that a user of Redis must be allowed to do."""

from __future__ import annotations

from tests.servers.process import ROOT

__all__ = ["guide_rights"]


def guide_rights() -> list[str]:
    """Return the rules of the access control list, as the guide has them."""
    text = (ROOT / "examples" / "guide" / "redis.md").read_text("utf-8")
    _, _, after = text.partition("\n## ACL\n")
    _, _, block = after.partition("```text\n")
    return block.partition("```")[0].split()
