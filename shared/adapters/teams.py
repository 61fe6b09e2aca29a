"""Notices to people: the Notifier port on a Teams Workflows webhook, or on the log.

The webhook's URL holds its own key: it stands in no error and no log line.
"""

import json
import logging
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import requests

from shared.errors import ConfigError, Refused, Throttled, Unavailable
from shared.ports import Notice

_LOG = logging.getLogger("retrain_loop.notices")
_TIMEOUTS = (5.0, 30.0)
_DEFAULT_WAIT_SECONDS = 60.0
_SECONDS = re.compile(r"\d{1,9}")

MOST_BYTES = 28 * 1024
"""Teams drops larger messages without a word."""
_CUTS = (4000, 1500, 500, 150, 60)
"""Characters a text may have, tried until the message is small enough."""
_MOST_FACTS = 20
_LONGEST_LINK = 2000

_INLINE = re.compile(r"([\\`*_~\[\]<>|])")
_LINE_START = re.compile(r"^(\s*)(#+|-{2,}|={2,}|[-+](?=\s|$)|\d+(?=[.)](\s|$)))", re.MULTILINE)
"""What begins a heading, a rule or a list; a negative or decimal number does not."""

_RETIRED = re.compile(r"(^|\.)(webhook\.office\.com|outlook\.office\.com|outlook\.office365\.com)$")


class TeamsNotifier:
    """Posts Adaptive Cards; what the notice holds is shown as it is, never as Markdown."""

    def __init__(self, url: str) -> None:
        """Check the URL.

        Raises:
            ConfigError: it belongs to the connectors that Microsoft switched off in May 2026.
        """
        host = urlsplit(url).hostname or ""
        if not host or _RETIRED.search(host):
            message = "TEAMS_WEBHOOK_URL: not a Workflows webhook (Office connectors are retired)"
            raise ConfigError(message, subject="TEAMS_WEBHOOK_URL")
        self._url = url
        # at DEBUG urllib3 writes the path and the query of each request, and with them the key
        logging.getLogger("urllib3.connectionpool").addFilter(_Silence(urlsplit(url).path))

    def send(self, notice: Notice) -> None:
        """Post one notice; a 2xx says that the flow took it, not that the channel shows it."""
        try:
            response = requests.post(
                self._url,
                data=render(notice),
                headers={"Content-Type": "application/json"},
                timeout=_TIMEOUTS,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            # from None: the cause's text holds the URL
            kind = type(error).__name__
            raise Unavailable(f"Teams: no answer ({kind})", subject="teams") from None
        _check(response)


class LogNotifier:
    """Writes notices to the log: where no webhook is configured."""

    def send(self, notice: Notice) -> None:
        # JSON keeps line breaks inside the text from looking like log lines of their own
        document = {
            "title": notice.title,
            "text": notice.text,
            "facts": dict(notice.facts),
            "link": notice.link,
        }
        _LOG.info("notice %s", json.dumps(document))


class _Silence(logging.Filter):
    """Drops records that hold a secret path."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def filter(self, record: logging.LogRecord) -> bool:
        return len(self._path) <= 1 or self._path not in record.getMessage()


def render(notice: Notice) -> bytes:
    """Make the message, cut so that Teams takes it."""
    for limit in _CUTS:
        body = json.dumps(_message(notice, limit), ensure_ascii=False).encode()
        if len(body) < MOST_BYTES:
            return body
    raise Refused(f"notice too large: {notice.title[:60]!r}", code="TooLarge", subject="teams")


def escape(text: str) -> str:
    """Make text show as it is in a TextBlock or a fact, which both read Markdown."""
    text = _INLINE.sub(r"\\\1", text.replace("\r\n", "\n"))
    text = _LINE_START.sub(_escape_start, text)
    # a single line break is a blank there
    return re.sub(r"\n+", "\n\n", text)


def _escape_start(match: re.Match[str]) -> str:
    indent, mark = match[1], match[2]
    # "12." begins a list: what is escaped is the point, for a backslash before a digit shows
    return f"{indent}{mark}\\" if mark[0].isdigit() else f"{indent}\\{mark}"


def _message(notice: Notice, limit: int) -> Mapping[str, Any]:
    content = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.2",  # Teams on a phone shows nothing newer
        "body": list(_body(notice, limit)),
    }
    if notice.link.startswith("https://") and len(notice.link) <= _LONGEST_LINK:
        content["actions"] = [{"type": "Action.OpenUrl", "title": "Open", "url": notice.link}]
    card_type = "application/vnd.microsoft.card.adaptive"
    attachment = {"contentType": card_type, "contentUrl": None, "content": content}
    return {"type": "message", "attachments": [attachment]}


def _body(notice: Notice, limit: int) -> list[Mapping[str, Any]]:
    title = {"type": "TextBlock", "text": _shown(notice.title, min(limit, 200)), "wrap": True}
    blocks: list[Mapping[str, Any]] = [{**title, "weight": "bolder", "size": "medium"}]
    if notice.text:
        blocks.append({"type": "TextBlock", "text": _shown(notice.text, limit), "wrap": True})
    facts = [
        {"title": _shown(name, min(limit, 60)), "value": _shown(value, min(limit, 300))}
        for name, value in list(notice.facts.items())[:_MOST_FACTS]
    ]
    if facts:
        blocks.append({"type": "FactSet", "facts": facts})
    return blocks


def _shown(text: str, limit: int) -> str:
    # lone surrogates cannot be sent as UTF-8
    text = text.encode("utf-8", "replace").decode()
    return escape(text if len(text) <= limit else f"{text[: limit - 1]}…")


def _check(response: requests.Response) -> None:
    status = response.status_code
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return
    message = f"Teams: {status}"
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        asked = response.headers.get("Retry-After", "").strip()
        wait = float(asked) if _SECONDS.fullmatch(asked) else _DEFAULT_WAIT_SECONDS
        raise Throttled(message, retry_after=wait, subject="teams")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.REQUEST_TIMEOUT:
        raise Unavailable(message, subject="teams")
    raise Refused(message, code=str(status), subject="teams")
