"""The page of a judgement; everything else in this package is how it is made."""

from shared.adapters.gate_page.page import HtmlGatePage

__all__ = ["HtmlGatePage"]
