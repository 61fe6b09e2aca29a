"""Route templates: ``runs/{id:guid}/events`` read, ranked and matched against a path."""

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote

from local.functions_host.errors import InvalidRoute

_PARAMETER = re.compile(
    r"\{(?P<star>\*{0,2})(?P<name>\w+)(?P<constraints>(?::[a-zA-Z]+(?:\([^)]*\))?)*)(?P<optional>\?)?\}"
)
_CONSTRAINT = re.compile(r":([a-zA-Z]+)(?:\(([^)]*)\))?")
_INT_BITS, _LONG_BITS = 31, 63

Check = Callable[[str, str], bool]


def _is_guid(value: str, _argument: str) -> bool:
    try:
        uuid.UUID(value)
    except ValueError:
        return False
    return True


def _is_whole(bits: int) -> Check:
    def check(value: str, _argument: str) -> bool:
        return bool(re.fullmatch(r"[+-]?\d+", value)) and -(2**bits) <= int(value) < 2**bits

    return check


def _has_length(value: str, argument: str) -> bool:
    low, _, high = argument.partition(",")
    return int(low) <= len(value) <= int(high or low)


_CHECKS: dict[str, Check] = {
    "alpha": lambda value, _: bool(re.fullmatch(r"[a-zA-Z]+", value)),
    "bool": lambda value, _: value.lower() in {"true", "false"},
    "guid": _is_guid,
    "int": _is_whole(_INT_BITS),
    "long": _is_whole(_LONG_BITS),
    "length": _has_length,
    "minlength": lambda value, argument: len(value) >= int(argument),
    "maxlength": lambda value, argument: len(value) <= int(argument),
    "min": lambda value, argument: (
        bool(re.fullmatch(r"-?\d+", value)) and int(value) >= int(argument)
    ),
    "max": lambda value, argument: (
        bool(re.fullmatch(r"-?\d+", value)) and int(value) <= int(argument)
    ),
}
_WITH_ARGUMENT = {"length", "minlength", "maxlength", "min", "max"}


@dataclass(frozen=True)
class _Segment:
    """One segment of a template: a literal, or a parameter with its constraints."""

    literal: str = ""
    name: str = ""
    constraints: tuple[tuple[str, str], ...] = ()
    optional: bool = False
    catch_all: bool = False

    @property
    def rank(self) -> int:
        """Tell how late this segment is tried: literals first, catch-alls last."""
        if not self.name:
            return 0
        return 3 if self.catch_all else (1 if self.constraints else 2)

    def accepts(self, value: str) -> bool:
        if not self.name:
            return value.lower() == self.literal.lower()
        return all(_CHECKS[kind](value, argument) for kind, argument in self.constraints)


@dataclass(frozen=True)
class RouteTemplate:
    """A route as ASP.NET Core reads it; ``rank`` orders templates, the more specific first."""

    text: str
    segments: tuple[_Segment, ...]

    @property
    def rank(self) -> tuple[int, ...]:
        return tuple(segment.rank for segment in self.segments)

    def match(self, path: str) -> dict[str, str] | None:
        """Give the parameters of ``path`` (still percent-encoded, no query), or None."""
        given = [part for part in path.strip("/").split("/") if part]
        found: dict[str, str] = {}
        for position, segment in enumerate(self.segments):
            rest = given[position:]
            if segment.catch_all:
                return found | {segment.name: unquote("/".join(rest))}
            if not rest:
                return found if segment.optional else None
            value = unquote(rest[0])
            if not segment.accepts(value):
                return None
            if segment.name:
                found[segment.name] = value
        return found if len(given) == len(self.segments) else None


def parse_route(route: str, prefix: str) -> RouteTemplate:
    """Read a template under ``prefix``; InvalidRoute names the segment that cannot be served."""
    text = "/".join(part for part in (prefix.strip("/"), route.strip("/")) if part)
    segments = tuple(_segment(part) for part in _split(text))
    if any(segment.optional or segment.catch_all for segment in segments[:-1]):
        raise InvalidRoute(f"route '{text}': only the last segment may be optional or a catch-all")
    if segments and segments[0].literal.lower() in {"admin", "runtime"}:
        raise InvalidRoute(f"route '{text}' conflicts with the host's own routes")
    return RouteTemplate(text, segments)


def _split(text: str) -> list[str]:
    return [part for part in text.split("/") if part]


def _segment(text: str) -> _Segment:
    if "{" not in text and "}" not in text:
        return _Segment(literal=text)
    match = _PARAMETER.fullmatch(text)
    if match is None:
        raise InvalidRoute(f"route segment '{text}' is not a literal or one {{parameter}}")
    constraints = tuple(_CONSTRAINT.findall(match["constraints"]))
    for kind, argument in constraints:
        _check_constraint(text, kind, argument)
    return _Segment(
        name=match["name"],
        constraints=constraints,
        optional=bool(match["optional"]),
        catch_all=bool(match["star"]),
    )


def _check_constraint(text: str, kind: str, argument: str) -> None:
    if kind not in _CHECKS:
        known = ", ".join(sorted(_CHECKS))
        raise InvalidRoute(f"route segment '{text}': '{kind}' is none of {known}")
    if (kind in _WITH_ARGUMENT) != bool(re.fullmatch(r"-?\d+(,\d+)?", argument)):
        raise InvalidRoute(f"route segment '{text}': '{kind}' has a wrong argument")
