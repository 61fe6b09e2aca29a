"""Does several things of which some may fail; no more goes in here."""

import logging
from collections.abc import Callable, Iterable
from typing import TypeVar

from shared.errors import LoopError

log = logging.getLogger(__name__)

T = TypeVar("T")


def each_apart(parts: Iterable[Callable[[], T]]) -> list[T]:
    """Do all of them, so that the same ones do not go without each time that one fails.

    Raises:
        LoopError: the first trouble, once everything else is done.
    """
    done: list[T] = []
    troubles: list[LoopError] = []
    for part in parts:
        try:
            done.append(part())
        except LoopError as error:
            log.warning("went on after: %s", error)
            troubles.append(error)
    if troubles:
        raise troubles[0]
    return done
