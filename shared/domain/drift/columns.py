"""Arrow columns as the profiles need them: sorted floats, or counts of texts. Reads, never judges.

A value that cannot be read as what the catalogue says it is counts as missing. What can be read is
settled by a column's type and by each value for itself, never by the values beside it: rows may
come in any split.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

NUMBER = r"(?i)^[+-]?(([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?|nan|inf|infinity)$"
"""Texts that are numbers: those that Arrow's cast takes, which fails for all at the first other."""
PIECE = 1 << 16
"""Values that are worked on at a time: few enough for the cache, enough to forget the calls."""
UNREADABLE = (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError)


class Workspace:
    """Buffers for one piece of a column; what is in them is overwritten by the next piece."""

    def __init__(self) -> None:
        self.wide: Floats = np.empty(PIECE)
        self.narrow = np.empty(PIECE, dtype=np.float32)
        self.size = np.empty(PIECE, dtype=np.float32)
        self.cells: Counts = np.empty(PIECE, dtype=np.int64)
        self.buckets: Counts = np.empty(PIECE, dtype=np.int64)
        self.jumps: Counts = np.empty(PIECE, dtype=np.int64)
        self.beyond: npt.NDArray[np.bool_] = np.empty(PIECE, dtype=np.bool_)


class Scratch:
    """A buffer that grows and is used again: fresh pages cost more than the sort itself.

    What ``take`` gives is overwritten by the next ``take``; one thread, one scratch.
    """

    def __init__(self) -> None:
        self._buffer: Floats = np.empty(0)

    @cached_property
    def work(self) -> Workspace:
        return Workspace()

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
    if len(buffer) and math.isfinite(buffer[0]) and math.isfinite(buffer[-1]):
        return SortedColumn(buffer, missing=0, above=0, below=0)
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


def numbers(values: Any) -> Iterator[Floats]:
    """Give an Arrow column or a numpy array as float64, a piece at a time; null as NaN.

    Raises:
        ArrowInvalid: and the other kinds of ``UNREADABLE``: the column holds no numbers.
    """
    for chunk in values.chunks if isinstance(values, pa.ChunkedArray) else [values]:
        for start in range(0, len(chunk), PIECE):
            piece = chunk[start : start + PIECE]
            array = piece if isinstance(piece, np.ndarray) else _floats(piece)
            yield np.ascontiguousarray(array, dtype=np.float64)


def as_numbers(values: Any) -> Floats:
    """Give an Arrow column as float64, in order; NaN for what is null or no number."""
    try:
        pieces = list(numbers(values))
    except UNREADABLE:
        return np.full(len(values), np.nan)
    return np.concatenate([np.empty(0), *pieces])


def as_texts(values: Any) -> Any:
    """Give an Arrow column as large_string, in order; null for what is missing or no text."""
    try:
        return _texts(values)
    except UNREADABLE:
        return pa.nulls(len(values), pa.large_string())


def _floats(chunk: Any) -> Any:
    if pa.types.is_floating(chunk.type) or pa.types.is_integer(chunk.type):
        return chunk.to_numpy(zero_copy_only=False)
    if pa.types.is_dictionary(chunk.type):
        return _floats(chunk.dictionary_decode())
    if pa.types.is_string(chunk.type) or pa.types.is_large_string(chunk.type):
        chunk = pc.if_else(pc.match_substring_regex(chunk, NUMBER), chunk, None)
    elif not holds_numbers(chunk.type):
        raise pa.ArrowTypeError(f"{chunk.type} is not a number")
    return pc.cast(chunk, pa.float64()).to_numpy(zero_copy_only=False)


def holds_numbers(kind: Any) -> bool:
    """Tell whether a column of this type holds numbers, flags, or nothing at all."""
    types = pa.types
    numbers = types.is_floating(kind) or types.is_integer(kind) or types.is_decimal(kind)
    return bool(numbers or types.is_boolean(kind) or types.is_null(kind))


@dataclass(frozen=True, eq=False)
class CountedColumn:
    """A categorical column: its distinct texts, how often each occurs, and what is missing."""

    names: tuple[str, ...]
    counts: Counts
    missing: int


def count_column(values: Any) -> CountedColumn:
    """Count an Arrow column's values as texts; null and NaN are missing, "" is a category."""
    try:
        distinct, counts = _counted(values)
    except UNREADABLE:
        return CountedColumn((), np.zeros(0, dtype=np.int64), missing=len(values))
    texts = as_texts(distinct)
    # two values may have one text: each text once, in the order of its first value
    table = pa.table({"text": texts, "rows": counts}).filter(texts.is_valid())
    totals = table.group_by("text", use_threads=False).aggregate([("rows", "sum")])
    found = totals["rows_sum"].to_numpy().astype(np.int64)
    return CountedColumn(tuple(totals["text"].to_pylist()), found, len(values) - int(found.sum()))


def _counted(values: Any) -> tuple[Any, Any]:
    """Give a column's distinct values, or a dictionary's, and how often each occurs."""
    if not pa.types.is_dictionary(values.type):
        table = pc.value_counts(values)
        return table.field("values"), table.field("counts")
    chunks = values.chunks if isinstance(values, pa.ChunkedArray) else [values]
    parts = [(chunk.dictionary, _occurrences(chunk)) for chunk in chunks]
    distinct = pa.chunked_array([part for part, _ in parts], values.type.value_type)
    return distinct, np.concatenate([np.zeros(0, dtype=np.int64), *(part for _, part in parts)])


def _occurrences(chunk: Any) -> Counts:
    names, codes = len(chunk.dictionary), chunk.indices
    codes = codes.drop_null() if codes.null_count else codes
    return np.bincount(codes.to_numpy(zero_copy_only=False), minlength=names)


def _texts(values: Any) -> Any:
    if pa.types.is_binary(values.type) or pa.types.is_large_binary(values.type):
        raise pa.ArrowTypeError("bytes are not a text")
    if pa.types.is_floating(values.type):
        values = pc.if_else(pc.is_nan(values), None, values)
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    return values.cast(pa.large_string())
