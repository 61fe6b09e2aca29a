"""A Teams Workflows webhook: checks the Adaptive Card envelope and keeps the cards it accepted."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

CARD_CONTENT_TYPE = "application/vnd.microsoft.card.adaptive"
LARGEST_CARD_BYTES = 28 * 1024
HIGHEST_VERSION = (1, 2)
"""What Teams shows on a phone; newer cards come out blank there."""


class CardRefused(ValueError):
    """What was posted would not show up in the channel."""


class CardBox:
    """The cards of the channel, kept for the next start too."""

    def __init__(self, path: Path) -> None:
        self._path = path
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        self._cards: list[Mapping[str, Any]] = [json.loads(line) for line in lines]

    def add(self, workflow_id: str, received_at: str, card: Mapping[str, Any]) -> None:
        record = {"workflow_id": workflow_id, "received_at": received_at, "card": card}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
        self._cards.append(record)

    def all(self) -> Sequence[Mapping[str, Any]]:
        return tuple(self._cards)


def read_card(body: bytes) -> Mapping[str, Any]:
    """The card in a webhook's body; raise ``CardRefused`` naming all that is wrong with it."""
    if len(body) >= LARGEST_CARD_BYTES:
        raise CardRefused(f"the message has {len(body)} bytes, the limit is {LARGEST_CARD_BYTES}")
    try:
        message = json.loads(body)
    except ValueError as error:
        raise CardRefused("the message is not JSON") from error
    card = _content(message)
    problems = list(_card_problems(card))
    if problems:
        raise CardRefused("; ".join(problems))
    return card


def _content(message: object) -> Mapping[str, Any]:
    if not isinstance(message, dict) or message.get("type") != "message":
        raise CardRefused("type must be 'message'")
    attachments = message.get("attachments")
    if not isinstance(attachments, list) or not attachments:
        raise CardRefused("attachments must hold a card")
    first = attachments[0]
    if not isinstance(first, dict) or first.get("contentType") != CARD_CONTENT_TYPE:
        raise CardRefused(f"attachments[0].contentType must be {CARD_CONTENT_TYPE}")
    content = first.get("content")
    if not isinstance(content, dict):
        raise CardRefused("attachments[0].content must be an object")
    return content


def _card_problems(card: Mapping[str, Any]) -> Iterator[str]:
    if card.get("type") != "AdaptiveCard":
        yield "content.type must be 'AdaptiveCard'"
    version = _version(card.get("version"))
    if version is None or version > HIGHEST_VERSION:
        yield "content.version must be 1.2 at most"
    if not isinstance(card.get("body"), list) or not card["body"]:
        yield "content.body must not be empty"


def _version(text: object) -> tuple[int, ...] | None:
    try:
        return tuple(int(part) for part in str(text).split("."))
    except ValueError:
        return None
