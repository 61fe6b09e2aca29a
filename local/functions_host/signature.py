"""A function's Python signature held against its bindings, by the real worker's rules.

``app.get_functions()`` accepts much that the worker refuses once deployed: the checks here are
those of its registry, with azure-functions' own converters deciding on annotations.
"""

import inspect
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import azure.functions as func
from azure.functions.decorators.core import Binding

from local.functions_host.converters import converter

_OUT = 1  # azure.functions' BindingDirection.OUT


@dataclass(frozen=True)
class Signature:
    """The parameters and annotations of a user function."""

    parameters: frozenset[str]
    annotations: dict[str, Any]

    @property
    def wants_context(self) -> bool:
        return "context" in self.parameters

    def is_plain(self, name: str) -> bool:
        """Tell whether a parameter takes text or bytes as they are."""
        return _payload_type(self.annotations.get(name)) in (str, bytes)


def read_signature(call: Callable[..., Any]) -> Signature:
    """Read names and annotations; NameError where one exists for type checkers only."""
    return Signature(frozenset(inspect.signature(call).parameters), typing.get_type_hints(call))


def signature_problems(signature: Signature, bindings: list[Binding]) -> list[str]:
    """Name what the worker would refuse to load, a sentence each."""
    bound = {binding.name: binding for binding in bindings if binding.name != "$return"}
    unbound = sorted(signature.parameters - bound.keys() - {"context"})
    problems = [f"parameter '{name}' has no binding" for name in unbound]
    missing = sorted(bound.keys() - signature.parameters)
    problems += [f"binding '{name}' has no parameter of that name" for name in missing]
    problems += _context_problems(signature, bound)
    for name in signature.annotations.keys() & bound.keys():
        problems += _parameter_problems(bound[name], signature.annotations[name])
    for binding in bindings:
        if binding.name == "$return" and "return" in signature.annotations:
            problems += _return_problems(binding, signature.annotations["return"])
    return problems


def _context_problems(signature: Signature, bound: dict[str, Binding]) -> list[str]:
    annotation = signature.annotations.get("context", func.Context)
    if "context" in bound or getattr(annotation, "__name__", "") == "Context":
        return []
    return ["parameter 'context' must be annotated azure.functions.Context"]


def _parameter_problems(binding: Binding, annotation: Any) -> list[str]:
    is_out = typing.get_origin(annotation) is func.Out
    if (binding.direction == _OUT) != is_out:
        wanted = "azure.functions.Out[...]" if binding.direction == _OUT else "without Out[...]"
        return [f"parameter '{binding.name}' must be annotated {wanted}"]
    payload = _payload_type(annotation)
    if payload in (str, bytes) or _accepts(binding, payload, is_out=is_out):
        return []
    return [f"parameter '{binding.name}': {binding.type} does not take {annotation}"]


def _return_problems(binding: Binding, annotation: Any) -> list[str]:
    if isinstance(annotation, type) and _accepts(binding, annotation, is_out=True):
        return []
    return [f"the return annotation {annotation} does not suit the {binding.type} output"]


def _accepts(binding: Binding, payload: Any, *, is_out: bool) -> bool:
    """Ask azure-functions; a binding it has no converter for is reported elsewhere."""
    found = converter(str(binding.type))
    if found is None:
        return True
    check = found.check_output_type_annotation if is_out else found.check_input_type_annotation
    try:
        return bool(check(payload))
    except TypeError:  # the check is issubclass(), and the annotation is no class
        return False


def _payload_type(annotation: Any) -> Any:
    if typing.get_origin(annotation) is func.Out:
        return typing.get_args(annotation)[0]
    return annotation
