"""One number a row, by which two readings of a table are compared."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

_FACTOR = 0x9E3779B97F4A7C15
"""Odd, and spreads each column's hash over the bits of the row's (Knuth's multiplicative hash)."""


def row_digests(
    features: "pa.Table",
    actual: "npt.NDArray[np.float64]",
    attributes: Mapping[str, "npt.NDArray[np.str_]"],
) -> "npt.NDArray[np.uint64]":
    """Give a digest a row; two different rows share one with a chance of about 2**-64."""
    import numpy as np
    from pandas.util import hash_array

    columns = {name: _plain(features[name]) for name in features.column_names}
    columns |= {f"{name} (group)": values.astype(object) for name, values in attributes.items()}
    columns["(actual)"] = actual
    total = np.zeros(features.num_rows, dtype=np.uint64)
    for name in sorted(columns):
        total = total * np.uint64(_FACTOR) + hash_array(columns[name])
    return total


def _plain(column: "pa.ChunkedArray") -> "npt.NDArray[Any]":
    """Give numbers as float64 and all else as text: a column's type may have widened since."""
    import numpy as np
    import pyarrow as pa

    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        numbers: npt.NDArray[Any] = column.cast(pa.float64(), safe=False).to_numpy()
        return numbers
    texts = column.cast(pa.string()).to_pylist()
    return np.array(["(missing)" if text is None else text for text in texts], dtype=object)
