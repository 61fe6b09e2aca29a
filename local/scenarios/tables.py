"""Delta tables as the scenarios write and read them; nothing about any one scenario."""

from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def is_held(days: "pd.Series[str]", every: int) -> "pd.Series[bool]":
    """Say of each row whether its ISO day is set aside: every n-th by proleptic ordinal."""
    held = {day: date.fromisoformat(day).toordinal() % every == 0 for day in days.unique()}
    return days.map(held).astype(bool)


def append(path: Path, rows: "pd.DataFrame", partition: str | None) -> None:
    """Append the rows in one commit, timestamps as microseconds in UTC."""
    import pandas as pd
    import pyarrow as pa
    from deltalake import write_deltalake

    # As Arrow's own type: converting pandas' aware timestamps warns from pandas 3.1 on.
    stamp = pd.ArrowDtype(pa.timestamp("us", tz="UTC"))
    aware = rows.select_dtypes("datetimetz").columns
    table = pa.Table.from_pandas(rows.astype(dict.fromkeys(aware, stamp)), preserve_index=False)
    # The pandas metadata would make every later append carry the first one's index.
    table = table.replace_schema_metadata(None)
    by = [partition] if partition else None
    # a table may have columns that these rows lack, and the other way round
    write_deltalake(str(path), table, mode="append", partition_by=by, schema_mode="merge")


def newest(
    path: Path, column: str, filters: list[tuple[str, str, Any]] | None = None
) -> datetime | None:
    """The largest timestamp of the column, or None where there is no such row or table."""
    from deltalake import DeltaTable

    if not DeltaTable.is_deltatable(str(path)):
        return None
    stamps = DeltaTable(str(path)).to_pandas(columns=[column], filters=filters)[column]
    return None if stamps.empty else stamps.max().to_pydatetime()


def append_newer(path: Path, rows: "pd.DataFrame", order: str, partition: str | None) -> None:
    """Append those rows whose ``order`` timestamp is past the table's newest."""
    since = newest(path, order)
    fresh = rows if since is None else rows[rows[order] > since]
    if not fresh.empty:
        append(path, fresh, partition)
