"""Profiles as bytes: what the fields of a kept profile are, and how they are read again.

A day's profile holds no edges, only the digest of those it was counted on: it means nothing
without its reference, and can be added to no other one's.
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

import numpy as np

from shared.domain.audit import timestamp
from shared.domain.drift.container import Array, Arrays, narrow, pack, unpack
from shared.domain.drift.edges import Edges
from shared.domain.drift.features import Profile
from shared.domain.drift.profile import CategoricalProfile, NumericProfile
from shared.domain.drift.spec import Buckets, DayProfile, ProfileSpec, Reference
from shared.domain.drift.window import WindowProfile
from shared.errors import DataError

SUFFIX = "rlp"
_PREDICTION = "prediction"
_WRONG = (KeyError, TypeError, ValueError, IndexError, AttributeError)


def day_name(model: str, version: str, day: date) -> str:
    """Name the object of a day's profile."""
    return f"{model}/{version}/{day.isoformat()}.{SUFFIX}"


def reference_name(model: str, version: str) -> str:
    """Name the object of a version's reference."""
    return f"{model}/{version}/reference.{SUFFIX}"


def encode_day(found: DayProfile, spec: ProfileSpec) -> bytes:
    header = {"kind": "day", "day": found.day.isoformat(), "spec": spec.digest}
    fields, arrays = _written(found.profile)
    return pack({**header, **fields}, arrays)


def decode_day(content: bytes, spec: ProfileSpec, name: str) -> DayProfile | None:
    """Read a day's profile; None where it was counted on other edges than the spec's.

    Raises:
        DataError: it is damaged; ``name`` is in the message.
    """
    header, arrays = unpack(content, name)
    try:
        _require(header["kind"] == "day")
        if header["spec"] != spec.digest:
            return None
        features = [spec.features[field["name"]] for field in header["features"]]
        profile = _read(header, arrays, features, spec.prediction)
        return DayProfile(date.fromisoformat(header["day"]), profile)
    except _WRONG as error:
        raise DataError(f"profile {name}: not in the form of a day's", subject=name) from error


def encode_reference(found: Reference) -> bytes:
    span = {"start": timestamp(found.start), "end": timestamp(found.end)}
    header = {"kind": "reference", "bins": found.bins, "spec": found.spec.digest, **span}
    fields, arrays = _written(found.profile)
    categories: list[list[str] | None] = []
    edges: dict[str, Array] = {}
    for place, buckets in enumerate([*found.spec.features.values(), found.spec.prediction]):
        categories.append(None if isinstance(buckets, Edges) else list(buckets))
        if isinstance(buckets, Edges):
            edges |= {f"{place}.cuts": buckets.cuts, f"{place}.coarse": buckets.coarse}
    return pack({**header, **fields, "categories": categories}, {**arrays, **edges})


def decode_reference(content: bytes, name: str) -> Reference:
    """Read a reference.

    Raises:
        DataError: it is damaged; ``name`` is in the message.
    """
    header, arrays = unpack(content, name)
    try:
        _require(header["kind"] == "reference")
        *features, prediction = [
            _edges(arrays, place) if texts is None else tuple(texts)
            for place, texts in enumerate(header["categories"])
        ]
        _require(isinstance(prediction, Edges))
        found = Reference(
            datetime.fromisoformat(header["start"]),
            datetime.fromisoformat(header["end"]),
            int(header["bins"]),
            _read(header, arrays, features, prediction),
        )
        _require(found.spec.digest == header["spec"])
    except _WRONG as error:
        raise DataError(f"profile {name}: not in the form of a reference", subject=name) from error
    return found


def _edges(arrays: Arrays, place: int) -> Edges:
    return Edges(arrays[f"{place}.cuts"].copy(), arrays[f"{place}.coarse"].copy())


def _require(condition: bool) -> None:
    if not condition:
        raise ValueError


# --- one window ------------------------------------------------------------------------------


def _written(profile: WindowProfile) -> tuple[dict[str, Any], dict[str, Array]]:
    arrays: dict[str, Array] = {}
    fields = []
    for place, (name, found) in enumerate([*profile.features.items(), ("", profile.prediction)]):
        fields.append({"name": name, **_scalars(found)})
        arrays |= {f"{place}.{part}": array for part, array in _parts(found).items()}
    return {
        "rows": profile.rows,
        "odd": dict(profile.odd),
        "features": fields[:-1],
        _PREDICTION: fields[-1],
    }, arrays


def _scalars(found: Profile) -> dict[str, Any]:
    if isinstance(found, CategoricalProfile):
        return {"missing": found.missing, "unseen": found.unseen, "examples": list(found.examples)}
    return {"missing": found.missing, "above": found.above, "below": found.below}


def _parts(found: Profile) -> dict[str, Array]:
    """Give the arrays; the floats are among them because JSON has no infinity."""
    if isinstance(found, CategoricalProfile):
        return {"counts": narrow(found.counts)}
    floats = np.array([found.minimum, found.maximum, found.square_deviation])
    return {"counts": narrow(found.counts), "sums": found.sums, "floats": floats}


def _read(
    header: Mapping[str, Any], arrays: Arrays, features: list[Buckets], prediction: Any
) -> WindowProfile:
    fields = [*header["features"], header[_PREDICTION]]
    found = [
        _profile(buckets, field, _of(arrays, place), header["rows"])
        for place, (field, buckets) in enumerate(zip(fields, [*features, prediction], strict=True))
    ]
    *inputs, answered = found
    _require(isinstance(answered, NumericProfile))
    names = [field["name"] for field in header["features"]]
    return WindowProfile(
        rows=header["rows"],
        features=dict(zip(names, inputs, strict=True)),
        prediction=answered,
        odd=dict(header["odd"]),
    )


def _of(arrays: Arrays, place: int) -> dict[str, Array]:
    start = f"{place}."
    return {name[len(start) :]: array for name, array in arrays.items() if name.startswith(start)}


def _profile(buckets: Buckets, field: Mapping[str, Any], parts: Arrays, rows: int) -> Any:
    counts = parts["counts"].astype(np.int64)
    if not isinstance(buckets, Edges):
        _require(len(counts) == len(buckets))
        found: Profile = CategoricalProfile(
            buckets, counts, field["unseen"], field["missing"], tuple(field["examples"])
        )
    else:
        _require(len(counts) == len(buckets.cuts) + 1 == len(parts["sums"]))
        minimum, maximum, square_deviation = parts["floats"].tolist()
        found = NumericProfile(
            edges=buckets,
            counts=counts,
            sums=parts["sums"].copy(),
            missing=field["missing"],
            above=field["above"],
            below=field["below"],
            minimum=minimum,
            maximum=maximum,
            square_deviation=square_deviation,
        )
    _require(found.rows == rows)
    return found
