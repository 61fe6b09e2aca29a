"""Arrow columns as the profiles need them: sorted floats, or counts of texts. Reads, never judges.

A value that cannot be read as what the catalogue says it is counts as missing, all of them
together: a column of the wrong type is as good as none, and the missing rate says so aloud.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

UNREADABLE = (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError)


class Scratch:
    """A buffer that grows and is used again: fresh pages cost more than the sort itself.

    What ``take`` gives is overwritten by the next ``take``; one thread, one scratch.
    """

    def __init__(self) -> None:
        self._buffer: Floats = np.empty(0)

    def take(self, size: int) -> Floats:
        if size > len(self._buffer):
            self._buffer = np.empty(size)
        return self._buffer[:size]


@dataclass(frozen=True, eq=False)
class SortedColumn:
    """A numeric column: its finite values in order, and how many values were something else."""

    finite: Floats
    missing: int
    above: int
    below: int


def sort_column(values: Any, scratch: Scratch) -> SortedColumn:
    """Sort an Arrow column or a numpy array; the answer lives in the scratch."""
    buffer = scratch.take(len(values))
    try:
        _fill(buffer, values)
    except UNREADABLE:
        return SortedColumn(buffer[:0], missing=len(values), above=0, below=0)
    buffer.sort()
    # NaN sorts last, so the three borders tell everything that is not a number
    low = int(np.searchsorted(buffer, -np.inf, side="right"))
    high = int(np.searchsorted(buffer, np.inf, side="left"))
    last = int(np.searchsorted(buffer, np.nan, side="left"))
    return SortedColumn(buffer[low:high], len(buffer) - last, last - high, low)


def _fill(buffer: Floats, values: Any) -> None:
    if isinstance(values, np.ndarray):
        buffer[:] = values
        return
    position = 0
    for chunk in values.chunks if isinstance(values, pa.ChunkedArray) else [values]:
        buffer[position : position + len(chunk)] = _floats(chunk)
        position += len(chunk)


def _floats(chunk: Any) -> Any:
    if pa.types.is_floating(chunk.type) or pa.types.is_integer(chunk.type):
        return chunk.to_numpy(zero_copy_only=False)
    if pa.types.is_temporal(chunk.type):
        raise pa.ArrowTypeError("a time is not a number")
    return pc.cast(chunk, pa.float64()).to_numpy(zero_copy_only=False)


@dataclass(frozen=True, eq=False)
class CountedColumn:
    """A categorical column: its distinct texts, how often each occurs, and what is missing."""

    names: tuple[str, ...]
    counts: Counts
    missing: int


def count_column(values: Any) -> CountedColumn:
    """Count an Arrow column's values as texts; null and NaN are missing, "" is a category."""
    try:
        texts = _texts(values)
    except UNREADABLE:
        return CountedColumn((), np.zeros(0, dtype=np.int64), missing=len(values))
    table = pc.value_counts(texts.drop_null())
    names = tuple(table.field("values").to_pylist())
    counts = table.field("counts").to_numpy(zero_copy_only=False).astype(np.int64)
    return CountedColumn(names, counts, missing=int(texts.null_count))


def _texts(values: Any) -> Any:
    if pa.types.is_floating(values.type):
        values = pc.if_else(pc.is_nan(values), None, values)
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    return values.cast(pa.large_string())
