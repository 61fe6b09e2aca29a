"""Computes what a deployment would ask for: parameters in, resources with their properties out.

What only Azure can know (an id, an endpoint, a hash) stays a placeholder such as ``{account.id}``;
everything else is computed as Bicep does. A name, a property or an index that is not there is an
error, as it is in a deployment.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local.bicep.functions import Unknown, show
from local.bicep.project import Project, read_json
from local.bicep.registry import made_of
from local.bicep.scope import Outputs, Scope, Values
from local.bicep.syntax import BicepError, BicepFile, Resource
from local.bicep.values import refusal


@dataclass(frozen=True)
class Planned:
    """A resource that would be deployed; ``what`` is its type with the API version.

    Attributes:
        module: the registry module that makes it, as its path; empty: the file does.
        given: what the module is given.
        model: where the type alone does not say it.
    """

    what: str
    name: str
    file: str
    symbol: str
    body: Mapping[str, Any]
    module: str = ""
    given: Mapping[str, Any] = field(default_factory=dict)
    model: str = ""

    @property
    def type(self) -> str:
        return self.what.partition("@")[0]


def evaluate(project: Project, parameters: Values) -> list[Planned]:
    """Give every resource that the parameters ask for, in the files' order.

    Raises:
        BicepError: a value is missing or does not fit; with file and line.
    """
    run = _Run(project)
    run.file(project.main, parameters)
    return run.planned


class _Run:
    """One evaluation: collects the resources."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self.planned: list[Planned] = []

    def file(self, file: BicepFile, given: Values) -> Mapping[str, Any]:
        """Evaluate a file; give its outputs."""
        scope = Scope(file, given)
        try:
            _hold(file, given)
            for module in file.modules.values():
                scope.outputs[module.symbol] = self._module(file, module, scope)
            for resource in file.resources.values():
                self._resource(file, resource, scope)
            return {name: scope.value(each.value) for name, each in file.outputs.items()}
        except BicepError as error:
            raise BicepError(f"{file.path.name}: {error}") from None

    def _module(self, file: BicepFile, module: Resource, scope: Scope) -> Outputs:
        """Evaluate a module; give its outputs, or those of each turn of its loop."""
        if module.loop is None:
            return self._called(file, module, module.symbol, scope)
        turns = enumerate(scope.instances(module))
        return [self._called(file, module, f"{module.symbol}.{n}", part) for n, part in turns]

    def _called(
        self, file: BicepFile, module: Resource, symbol: str, scope: Scope
    ) -> Mapping[str, Any]:
        """Evaluate one call; give its outputs, none where the condition does not hold."""
        if module.condition is not None and not scope.value(module.condition):
            return {}
        params = module.body.get("params")
        given = scope.value(params) if params is not None else {}
        if module.is_from_registry:
            self._made(file, module, given)
            return self._project.registry.find(module.what).values(symbol, given)
        return self.file(self._project.files[file.target(module)], given)

    def _made(self, file: BicepFile, call: Resource, given: Values) -> None:
        module = self._project.registry.find(call.what)
        for made, body in made_of(module, given):
            planned = (made.what, show(body["name"]), file.path.name, made.symbol or call.symbol)
            self.planned.append(Planned(*planned, body, module.path, given, made.model))

    def _resource(self, file: BicepFile, resource: Resource, scope: Scope) -> None:
        if resource.existing:
            return
        for part in scope.instances(resource):
            if resource.condition is None or part.value(resource.condition):
                body = part.value(resource.body)
                planned = (resource.what, show(body["name"]), file.path.name, resource.symbol, body)
                self.planned.append(Planned(*planned))


def _hold(file: BicepFile, given: Values) -> None:
    for parameter in file.parameters.values():
        said = refusal(parameter, given[parameter.name]) if parameter.name in given else ""
        if said:
            raise BicepError(f"line {parameter.line}: the parameter {parameter.name} {said}")


def parameters_of(file: Path, environment: Values) -> dict[str, Any]:
    """Read a parameter file as azd does: ``${NAME}`` and ``${NAME=default}`` are filled in.

    A name that the environment lacks stays a placeholder, so that a plan needs no environment.
    """
    entries = read_json(file)["parameters"]
    return {name: _filled(entry["value"], environment) for name, entry in entries.items()}


def _filled(value: Any, environment: Values) -> Any:
    if isinstance(value, dict):
        return {name: _filled(each, environment) for name, each in value.items()}
    if not isinstance(value, str) or not value.startswith("${"):
        return value
    name, has_default, default = value[2:-1].partition("=")
    return environment.get(name) or (default if has_default else Unknown(name.lower()))
