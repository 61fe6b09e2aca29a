"""Files as columns: Parquet and CSV, opened, checked, read column by column. Reads, never judges.

What a file is, its first bytes say; its name says nothing.
"""

import csv
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import csv as arrow_csv
from pyarrow import parquet

from local.drift_report.wording import clipped
from shared.errors import DataError

PARQUET = b"PAR1"
DELIMITERS = ",;\t|"
HEAD = 64 * 1024
LONGEST_MESSAGE = 300
LARGEST_BLOCK = 2**31 - 1
"""The most bytes pyarrow parses as one block."""


@dataclass(frozen=True)
class Source:
    """A file that is open.

    Attributes:
        types: the Arrow type of each column, in the file's order.
        column: reads one column, as a ChunkedArray.
        texts: reads one column as it stands in the file, where the file is text.
        typed: the file says itself what its columns hold; in a CSV it is a guess.
    """

    path: Path
    rows: int
    types: Mapping[str, Any]
    column: Callable[[str], Any]
    texts: Callable[[str], Any]
    typed: bool


def open_source(path: Path) -> Source:
    """Open a Parquet or a CSV file.

    Raises:
        DataError: it is not there, no such file, empty, or its columns' names are not unique.
    """
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "is not there"
        raise DataError(f"{clipped(path)} {what}: a Parquet or CSV file is needed")
    with _reading(path):
        with path.open("rb") as file:
            head = file.read(HEAD)
        if not head.strip():
            raise DataError(f"{clipped(path)} is empty")
        source = _parquet(path) if head.startswith(PARQUET) else _csv(path, head)
    if not source.rows:
        raise DataError(f"{clipped(path)} has no rows")
    return source


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        text = clipped(error, LONGEST_MESSAGE)
        raise DataError(f"{clipped(path)} cannot be read: {text}") from error


def _unique(path: Path, names: list[str]) -> None:
    double = sorted({name for name in names if names.count(name) > 1})
    if double:
        listed = ", ".join(repr(clipped(name)) for name in double[:5])
        raise DataError(f"{clipped(path)}: more than one column is named {listed}")


def _parquet(path: Path) -> Source:
    file = parquet.ParquetFile(path)
    schema = file.schema_arrow
    _unique(path, schema.names)

    def column(name: str) -> Any:
        with _reading(path):
            # a name with a dot also asks for fields of structs: they are not taken
            return file.read(columns=[name]).column(name)

    types = {field.name: field.type for field in schema}
    return Source(path, file.metadata.num_rows, types, column, column, typed=True)


def _csv(path: Path, head: bytes) -> Source:
    if b"\0" in head:
        raise DataError(f"{clipped(path)} is neither Parquet nor CSV in UTF-8")
    delimiter = _delimiter(head)
    table = _table(path, delimiter)
    _unique(path, table.column_names)
    types = {field.name: field.type for field in table.schema}

    def texts(name: str) -> Any:
        with _reading(path):
            return _table(path, delimiter, text=name).column(name)

    return Source(path, table.num_rows, types, table.column, texts, typed=False)


def _delimiter(head: bytes) -> str:
    header = head.splitlines()[0].decode("utf-8-sig", errors="replace")
    # the one that cuts the header into the most names, quoted ones left whole
    return max(DELIMITERS, key=lambda mark: len(next(csv.reader([header], delimiter=mark))))


def _table(path: Path, delimiter: str, text: str | None = None) -> Any:
    """Parse a file; types are guessed from the first block, so a wrong guess reads it as one."""
    try:
        return _parsed(path, delimiter, text, block=None)
    except pa.ArrowInvalid:
        block = min(path.stat().st_size + 1, LARGEST_BLOCK)
        return _parsed(path, delimiter, text, block)


def _parsed(path: Path, delimiter: str, text: str | None, block: int | None) -> Any:
    wanted = {"include_columns": [text], "column_types": {text: pa.string()}} if text else {}
    return arrow_csv.read_csv(
        path,
        read_options=arrow_csv.ReadOptions(block_size=block),
        parse_options=arrow_csv.ParseOptions(
            delimiter=delimiter, newlines_in_values=block is not None
        ),
        # an empty field of a text column is missing, a quoted empty text is a category
        convert_options=arrow_csv.ConvertOptions(
            strings_can_be_null=True, quoted_strings_can_be_null=False, **wanted
        ),
    )
