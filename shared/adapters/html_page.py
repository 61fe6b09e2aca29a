"""Pages that need nothing beside themselves: a template and a style from a folder, all escaped.

What a page says and how it looks stands with the page; here is only what keeps it harmless.
"""

import base64
import hashlib
from pathlib import Path
from typing import Any


def render_page(folder: Path, **values: Any) -> str:
    """Fill ``page.html.j2`` of a folder; its ``page.css`` comes as ``style`` and ``style_hash``.

    Raises:
        jinja2.TemplateError: the template is wrong, or asks for a value that is not given.
    """
    # no worker needs it before it makes a page
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    style = (folder / "page.css").read_text(encoding="utf-8")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string((folder / "page.html.j2").read_text(encoding="utf-8"))
    # our own file, and without markup
    own = Markup(style)  # noqa: S704 - see above
    return template.render(style=own, style_hash=_hash(style), **values)


def _hash(style: str) -> str:
    """Give what a browser must find the style to be, so that no other is obeyed."""
    digest = hashlib.sha256(style.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
