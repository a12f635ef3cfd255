"""The reference in ``examples/guide``, which is made of signatures and docstrings.

Nothing is imported: griffe reads the source, so types stand as they are written there. To write the
page anew: ``python -m tests.reference``.
"""

from .page import MODULES, PAGE, page, undescribed

__all__ = ["MODULES", "PAGE", "page", "undescribed"]
