"""The values a notebook is run with: pipeline expressions and the notebook's types. No files."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_PARAMETER = re.compile(r"@pipeline\(\)\.parameters\.(\w+)")
_RUN_ID = "@pipeline().RunId"


class ParameterError(ValueError):
    """A parameter has no value, or one that does not fit its type."""


class ExpressionError(ValueError):
    """A pipeline holds an expression that the simulator cannot evaluate."""


@dataclass(frozen=True)
class NotebookParameter:
    """A parameter of a notebook activity: a literal or an expression, and the type it becomes."""

    value: Any
    type: str

    def resolve(self, name: str, values: Mapping[str, Any], run_id: str) -> Any:
        """Give what the notebook receives for this parameter in one run.

        Raises:
            ParameterError: there is no value, or it does not fit the type.
        """
        return convert(name, _evaluate(self.value, values, run_id), self.type)


def check_expression(value: Any, declared: frozenset[str]) -> Any:
    """Unwrap ``{"value": ..., "type": "Expression"}`` and refuse what could not be evaluated.

    Raises:
        ExpressionError: it is no reference to a declared pipeline parameter, nor to the run id.
    """
    if isinstance(value, dict) and value.get("type") == "Expression":
        value = value["value"]
    if not isinstance(value, str) or not value.startswith("@") or value == _RUN_ID:
        return value
    reference = _PARAMETER.fullmatch(value)
    if reference is None:
        raise ExpressionError(f"the expression {value} is not simulated")
    if reference[1] not in declared:
        raise ExpressionError(f"the pipeline has no parameter {reference[1]}")
    return value


def convert(name: str, value: Any, kind: str) -> Any:
    """Make a value the type that a notebook declares: string, int, float or bool.

    Raises:
        ParameterError: it cannot be made that type without loss.
    """
    if value is None:
        return None
    try:
        return _CONVERSIONS[kind](value)
    except (KeyError, ValueError, TypeError):
        raise ParameterError(f"parameter {name}: {value!r} is no {kind}") from None


def _to_string(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _to_int(value: Any) -> int:
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise ValueError(value)
    return int(value)


def _to_float(value: Any) -> float:
    if isinstance(value, bool):
        raise TypeError(value)
    return float(value)


def _to_bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}[str(value).lower()]


_CONVERSIONS = {"string": _to_string, "int": _to_int, "float": _to_float, "bool": _to_bool}


def _evaluate(value: Any, values: Mapping[str, Any], run_id: str) -> Any:
    if value == _RUN_ID:
        return run_id
    reference = _PARAMETER.fullmatch(value) if isinstance(value, str) else None
    if reference is None:
        return value
    if reference[1] not in values:
        raise ParameterError(f"pipeline parameter {reference[1]} has no value and no default")
    return values[reference[1]]
