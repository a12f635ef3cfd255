"""Write the page anew."""

from .page import PAGE, page

PAGE.write_text(page(), "utf-8")
