"""The container profiles are kept in: a JSON header and arrays, versioned and checksummed.

    "RLPF"  major u16  minor u16  header length u32      little-endian, 12 bytes
    header                                               JSON, UTF-8
    arrays, one after the other                          zlib
    SHA-256 of all before                                32 bytes

``arrays`` of the header lists name, type and length of each. A minor version may add fields and
arrays, which an older reader skips; a major version may change what is there, and brings a reader
of the one before. What the fields mean is not known here.
"""

import hashlib
import json
import struct
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from shared.domain.audit import canonical
from shared.errors import DataError

MAJOR, MINOR = 1, 0
_MAGIC = b"RLPF"
_START = struct.Struct("<4sHHI")
_DIGEST = hashlib.sha256().digest_size
_FAST = 1
"""zlib's level: sums hardly shrink, and counts shrink at any."""
_TYPES = frozenset({"<f8", "<i8", "<u4", "<u2", "|u1"})

Array = npt.NDArray[Any]
Arrays = Mapping[str, Array]


def pack(header: Mapping[str, Any], arrays: Arrays) -> bytes:
    """Write; equal contents give equal bytes."""
    listed = [[name, array.dtype.str, len(array)] for name, array in arrays.items()]
    text = canonical({**header, "arrays": listed}).encode()
    body = zlib.compress(b"".join(array.tobytes() for array in arrays.values()), _FAST)
    content = _START.pack(_MAGIC, MAJOR, MINOR, len(text)) + text + body
    return content + hashlib.sha256(content).digest()


def unpack(content: bytes, name: str) -> tuple[dict[str, Any], dict[str, Array]]:
    """Read what ``pack`` wrote, in this version or a later one of the same major.

    Raises:
        DataError: it is damaged, nothing of ours, or of a major version not known here; the
            message names it.
    """
    start, end = _START.size, len(content) - _DIGEST
    if end < start or content[:4] != _MAGIC:
        raise DataError(f"profile {name}: this is no profile", subject=name)
    if hashlib.sha256(content[:end]).digest() != content[end:]:
        raise DataError(f"profile {name}: damaged, the checksum is another", subject=name)
    _, major, minor, length = _START.unpack(content[:start])
    if major != MAJOR:
        message = f"profile {name}: written in format {major}.{minor}, read is {MAJOR}"
        raise DataError(message, subject=name)
    try:
        header = json.loads(content[start : start + length])
        return header, _arrays(header["arrays"], zlib.decompress(content[start + length : end]))
    except (KeyError, TypeError, ValueError, zlib.error) as error:
        # the checksum is right: it was written like this
        raise DataError(f"profile {name}: not in the form of a profile", subject=name) from error


def _arrays(listed: Any, body: bytes) -> dict[str, Array]:
    found: dict[str, Array] = {}
    offset = 0
    for name, kind, length in listed:
        if kind not in _TYPES:
            raise ValueError(kind)
        found[name] = np.frombuffer(body, np.dtype(kind), length, offset)
        offset += found[name].nbytes
    return found


def narrow(counts: npt.NDArray[np.int64]) -> Array:
    """Give counts in the smallest of the types that holds them; none is negative."""
    most = int(counts.max(initial=0))
    fitting = (kind for kind in ("|u1", "<u2", "<u4") if most <= np.iinfo(kind).max)
    return counts.astype(next(fitting, "<i8"))
