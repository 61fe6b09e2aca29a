"""Counted rows: who makes profiles, and who keeps them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date, datetime

    from shared.catalogue import Model
    from shared.domain.drift.spec import DayProfile, ProfileSpec, Reference


class ProfileSource(Protocol):
    """Counts a model's rows where they lie, so that rows need not travel.

    The rows are the same whatever the source: those of ``data.predictions`` with the version asked
    for, by ``columns.timestamp``; of rows with one id the last one counts, within what is counted
    at a time (a day, or the reference); rows without an id all count. A feature that is no column
    of the table counts as missing in every row and is named in ``WindowProfile.odd``, as is a
    numeric one whose column holds no numbers.

    The answer is the same too, whatever the source, to the last count; sums of floats may differ
    in their last bits. A number is missing where it is null, NaN or cannot be read as a number
    (flags are 0 and 1); +inf and -inf are counted apart. A category is the value as text, "" is
    one, null and NaN are missing; those the spec does not have are ``unseen``, and the first five
    of them by code point are named.

    Raises NoTable, and DataError where the timestamp, the id, the prediction or the version is no
    column, or has a type that cannot be read.
    """

    def reference(self, model: Model, version: str, start: datetime, end: datetime) -> Reference:
        """Profile the rows in [start, end) on edges of their own.

        The edges of a column follow from the number of its finite values and a few of them by
        rank: ``domain.drift.edges.edges_by_rank`` asks for these and makes the edges.
        """

    def days(
        self, model: Model, version: str, spec: ProfileSpec, start: date, end: date
    ) -> Iterator[DayProfile]:
        """Profile each UTC day in [start, end) on given edges, in order, one a day.

        Only these days are read, and of each row only what the spec names. A day without rows has
        a blank profile, ``spec.blank()``. The spec has the model's features.
        """


class ProfileStore(Protocol):
    """Keeps profiles as bytes, by names like paths; what they mean is the codec's."""

    def put(self, name: str, content: bytes) -> None:
        """Store, in place of what has the name."""

    def get(self, name: str) -> bytes:
        """Read.

        Raises:
            NotFound: nothing has this name.
        """
