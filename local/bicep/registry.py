"""What is known of Azure Verified Modules, the registry's: ``infra/avm-modules.json``.

The registry cannot be asked here, so the file holds what of each module is in use: the version, the
parameters with their types (the notation of ``shapes.py``), the outputs, and the resources that it
makes of its parameters. A module, a version or a parameter that the file does not know is wrong.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from local.bicep.functions import Unknown, show
from local.bicep.syntax import BicepError

AVM_MODULES = "avm-modules.json"
"""Beside ``main.bicep``."""
_REFERENCE = re.compile(r"(?P<registry>[^:]+):(?P<path>[^:]+):(?P<version>\d+\.\d+\.\d+)")


@dataclass(frozen=True)
class Made:
    """A resource that a module makes.

    Attributes:
        what: type, and the API version where it is known.
        symbol: the name it goes by; empty: that of the module in the file that calls it.
        model: its model in ``azure-types.json``; empty: the model of its type.
        each: the list of whose items there is one each, as ``$path``; empty: there is one.
        when: what must be given, as ``$path``, for it to be made.
        body: the resource; ``$path`` stands for a parameter, ``$item.path`` for one of the item.
    """

    what: str
    symbol: str
    model: str
    each: str
    when: str
    body: Mapping[str, Any]


@dataclass(frozen=True)
class RegistryModule:
    """A module at the one version that is known.

    Attributes:
        parameters: name to type; a plus before it where it must be given.
        outputs: name to the place of its value in the first resource.
    """

    path: str
    version: str
    parameters: Mapping[str, str]
    outputs: Mapping[str, str]
    makes: Sequence[Made]

    @property
    def required(self) -> list[str]:
        return [name for name, kind in self.parameters.items() if kind.startswith("+")]

    def values(self, symbol: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """Give the outputs; what only Azure knows is a placeholder, as of a plain resource."""
        found: dict[str, Any] = {}
        for name, place in self.outputs.items():
            known = show(given.get("name", ""))
            found[name] = known if place == "name" else Unknown(f"{symbol}.{place}", known)
        return found


@dataclass(frozen=True)
class Registry:
    """The modules that are known, by their path."""

    name: str
    modules: Mapping[str, RegistryModule]

    def find(self, what: str) -> RegistryModule:
        """Give the module of a reference such as ``br/public:avm/res/web/site:0.24.0``.

        Raises:
            BicepError: it names no version, another than is known, or an unknown module.
        """
        found = _REFERENCE.fullmatch(what)
        if found is None:
            raise BicepError(f"{what}: a registry module is named with its full version")
        module = self.modules.get(found["path"])
        if module is None or found["registry"] != self.name:
            raise BicepError(f"{what}: {AVM_MODULES} does not know the module")
        if module.version != found["version"]:
            raise BicepError(f"{what}: the version that {AVM_MODULES} knows is {module.version}")
        return module


def read_registry(document: Mapping[str, Any]) -> Registry:
    """Read ``infra/avm-modules.json``."""
    modules = {path: _module(path, each) for path, each in document["modules"].items()}
    return Registry(document["registry"], modules)


def _module(path: str, document: Mapping[str, Any]) -> RegistryModule:
    makes = [_made(each) for each in document["makes"]]
    version, parameters = document["version"], document["parameters"]
    return RegistryModule(path, version, parameters, document["outputs"], makes)


def _made(document: Mapping[str, Any]) -> Made:
    version = document["apiVersion"]
    what = f"{document['type']}@{version}" if version else document["type"]
    symbol, model = document.get("symbol", ""), document.get("model", "")
    each, when = document.get("each", ""), document.get("when", "")
    return Made(what, symbol, model, each, when, document["body"])


def made_of(module: RegistryModule, given: Mapping[str, Any]) -> Iterator[tuple[Made, Any]]:
    """Give what a module makes of computed parameters, each with its body."""
    for made in module.makes:
        items = _value(made.each, given) or [] if made.each else [None]
        for item in items:
            values = {**given, "item": item}
            if not made.when or _value(made.when, values):
                yield made, _value(made.body, values)


def _value(template: Any, values: Mapping[str, Any]) -> Any:
    """Fill a template in: texts such as ``$path``, and objects that ask for a computation."""
    if isinstance(template, str) and template.startswith("$"):
        return _at(values, template[1:].split("."))
    if isinstance(template, list):
        return [_value(each, values) for each in template]
    if not isinstance(template, dict):
        return template
    compute = _COMPUTED.get(frozenset(template))
    if compute is not None:
        return compute(template, values)
    return {name: _value(each, values) for name, each in template.items()}


def _when(asked: Mapping[str, Any], values: Mapping[str, Any]) -> Any:
    return _value(asked["then"], values) if _value(asked["when"], values) else None


def _each(asked: Mapping[str, Any], values: Mapping[str, Any]) -> list[Any]:
    items = _value(asked["each"], values) or []
    return [_value(asked["to"], {**values, "item": item}) for item in items]


def _keys(asked: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    return {show(each): {} for each in _value(asked["keys"], values) or []}


def _number(asked: Mapping[str, Any], values: Mapping[str, Any]) -> Any:
    value = _value(asked["number"], values)
    return value if isinstance(value, Unknown) else float(value)


_COMPUTED: Mapping[frozenset[str], Callable[[Mapping[str, Any], Mapping[str, Any]], Any]] = {
    frozenset({"when", "then"}): _when,
    frozenset({"each", "to"}): _each,
    frozenset({"keys"}): _keys,
    frozenset({"number"}): _number,
}
"""By the keys of the object: a choice, a list, an object with a list's texts as keys, a number."""


def _at(value: Any, path: Sequence[str]) -> Any:
    for name in path:
        if isinstance(value, Unknown):
            value = Unknown(f"{value.text}.{name}")
        else:
            value = value.get(name) if isinstance(value, Mapping) else None
    return value
