"""Whether a parameter takes a computed value: by its type, its list and its limits."""

from collections.abc import Mapping
from typing import Any, Final

from local.bicep.functions import Unknown
from local.bicep.syntax import Parameter

_KINDS: Final[Mapping[str, type]] = {
    "array": list,
    "bool": bool,
    "int": int,
    "object": Mapping,
    "string": str,
}


def refusal(parameter: Parameter, value: Any) -> str:
    """Say what a value must be and is not; empty where it fits, or only Azure knows it."""
    kind = _KINDS.get(parameter.type)
    if kind is None or isinstance(value, Unknown):
        return ""
    said = "" if parameter.secure else f", is {value!r}"
    fits = isinstance(value, kind) and isinstance(value, bool) == (kind is bool)
    if not fits:
        return f"must be of type {parameter.type}{said}"
    if parameter.allowed and value not in parameter.allowed:
        return f"must be one of {', '.join(map(str, parameter.allowed))}{said}"
    size = value if isinstance(value, int) else len(value)
    what = "be" if isinstance(value, int) else "have a length of"
    if parameter.smallest is not None and size < parameter.smallest:
        return f"must {what} {parameter.smallest} at least{said}"
    if parameter.largest is not None and size > parameter.largest:
        return f"must {what} {parameter.largest} at most{said}"
    return ""
