"""What can be said of Bicep without its compiler.

Every name leads somewhere, every module gets what it asks for and gives what is taken from it,
every property exists. No value is computed here.
"""

import re
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from local.bicep.project import Project
from local.bicep.registry import Registry
from local.bicep.shapes import Shapes
from local.bicep.syntax import (
    BicepError,
    BicepFile,
    Call,
    Group,
    Index,
    Lambda,
    Literal,
    Loop,
    Member,
    Name,
    Node,
    Parameter,
    Record,
    Resource,
    Text,
    children,
    walk,
)

FUNCTIONS: Mapping[str, tuple[int, int]] = {
    "concat": (1, 99),
    "contains": (2, 2),
    "empty": (1, 1),
    "environment": (0, 0),
    "filter": (2, 2),
    "guid": (1, 99),
    "items": (1, 1),
    "length": (1, 1),
    "loadJsonContent": (1, 3),
    "loadTextContent": (1, 2),
    "map": (2, 2),
    "mapValues": (2, 2),
    "max": (1, 99),
    "min": (1, 99),
    "range": (2, 2),
    "resourceGroup": (0, 2),
    "string": (1, 1),
    "subscription": (0, 1),
    "subscriptionResourceId": (2, 99),
    "tenant": (0, 0),
    "toLower": (1, 1),
    "toObject": (2, 3),
    "union": (1, 99),
    "uniqueString": (1, 99),
    "utcNow": (0, 1),
}
"""Name to fewest and most arguments. Source: Microsoft Learn, Bicep functions; those in use."""

_GUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_LITERALS = {bool: "bool", int: "int"}


@dataclass(frozen=True, order=True)
class Finding:
    """Something that is wrong."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


def check(project: Project, shapes: Shapes) -> list[Finding]:
    """Give everything that is wrong, in the files' order."""
    found = [Finding(*_placed(each)) for each in project.missing]
    for file in project.files.values():
        pairs = [*_names(file), *_unused(file), *_calls(file), *_loads(file), *_guids(file)]
        for module in file.modules.values():
            if module.is_from_registry:
                pairs += _given_to_registry(module, project.registry, shapes)
            elif target := project.files.get(file.target(module)):
                pairs += _given(module, target)
        pairs += _taken(file, project)
        for resource in file.resources.values():
            pairs += shapes.check(resource)
        found += [Finding(file.path.name, line, message) for line, message in pairs]
    return sorted(set(found))


def _placed(text: str) -> tuple[str, int, str]:
    name, line, message = text.split(":", 2)
    return name, int(line), message.strip()


Pairs = Iterator[tuple[int, str]]


def symbols(file: BicepFile) -> set[str]:
    return {*file.parameters, *file.variables, *file.resources, *file.modules}


def _names(file: BicepFile) -> Pairs:
    for root in file.expressions():
        yield from _unknown(root, symbols(file))


def _unknown(node: Node, known: set[str]) -> Pairs:
    """Names that nothing declares; loops and lambdas declare some within them."""
    if isinstance(node, Name) and node.name not in known:
        yield node.line, f"{node.name} is not declared"
    if isinstance(node, Loop):
        yield from _unknown(node.source, known)
    inside = known | set(node.names) if isinstance(node, Loop | Lambda) else known
    for each in [node.body] if isinstance(node, Loop) else children(node):
        yield from _unknown(each, inside)


def _unused(file: BicepFile) -> Pairs:
    used = {
        each.name for root in file.expressions() for each in walk(root) if isinstance(each, Name)
    }
    for kind, declared in (("parameter", file.parameters), ("variable", file.variables)):
        for name, what in declared.items():
            if name not in used:
                yield what.line, f"the {kind} {name} is never used"


def _all(file: BicepFile) -> Iterator[Node]:
    for root in file.expressions():
        yield from walk(root)


def _calls(file: BicepFile) -> Pairs:
    for node in _all(file):
        if isinstance(node, Call) and node.target is None:
            bounds = FUNCTIONS.get(node.function)
            if bounds is None:
                yield node.line, f"{node.function}() is no function that is known here"
            elif not bounds[0] <= len(node.arguments) <= bounds[1]:
                yield node.line, f"{node.function}() has {len(node.arguments)} arguments"


def _loads(file: BicepFile) -> Pairs:
    for node in _all(file):
        if isinstance(node, Call) and node.function.startswith("load"):
            text = node.arguments[0]
            place = text.plain if isinstance(text, Text) else None
            if place is None or not (file.path.parent / place).is_file():
                yield node.line, f"{node.function}(): there is no {place}"


def _guids(file: BicepFile) -> Pairs:
    for node in _all(file):
        for part in node.parts if isinstance(node, Text) else ():
            if isinstance(part, str) and _GUID.search(part):
                yield node.line, f"the id {part} belongs, with its name, into roles.json"


def _params(module: Resource) -> dict[str, Node]:
    params = module.body.get("params")
    entries = params.entries if isinstance(params, Record) else ()
    return {each.key.plain or "": each.value for each in entries}


def _given_to_registry(call: Resource, registry: Registry, shapes: Shapes) -> Pairs:
    """Hold what a registry module is given against what is known of it."""
    try:
        module = registry.find(call.what)
    except BicepError as error:
        yield call.line, f"module {call.symbol}: {error}"
        return
    given = _params(call)
    for name, value in given.items():
        if name not in module.parameters:
            yield value.line, f"module {call.symbol}: {module.path} has no parameter {name}"
        else:
            where = f"module {call.symbol}: {name}"
            yield from shapes.value(value, module.parameters[name], where)
    for name in module.required:
        if name not in given:
            yield call.line, f"module {call.symbol}: the parameter {name} is missing"


def _given(module: Resource, target: BicepFile) -> Pairs:
    """Hold what a module is given against what its file asks for."""
    given = _params(module)
    for name, value in given.items():
        if (wanted := target.parameters.get(name)) is None:
            yield value.line, f"module {module.symbol}: {module.what} has no parameter {name}"
        else:
            yield from _fits(value, wanted, module)
    for name, wanted in target.parameters.items():
        if name not in given and wanted.default is None and not wanted.type.endswith("?"):
            yield module.line, f"module {module.symbol}: the parameter {name} is missing"


def _fits(value: Node, wanted: Parameter, module: Resource) -> Pairs:
    kind = literal_type(value)
    if kind and kind != wanted.type.rstrip("?"):
        what = f"module {module.symbol}: {wanted.name} is {wanted.type}, given is a {kind}"
        yield value.line, what
    plain = value.plain if isinstance(value, Text) else None
    if plain is not None and wanted.allowed and plain not in wanted.allowed:
        yield value.line, f"module {module.symbol}: {wanted.name} cannot be {plain!r}"


def literal_type(value: Node) -> str:
    """Name the type of what is written out; empty where it has to be computed."""
    if isinstance(value, Group):
        return literal_type(value.inner)
    if isinstance(value, Text):
        return "string"
    return _LITERALS.get(type(value.value), "") if isinstance(value, Literal) else ""


def _taken(file: BicepFile, project: Project) -> Pairs:
    """Outputs that a module does not have."""
    for node in _all(file):
        if isinstance(node, Member) and isinstance(node.of, Member) and node.of.name == "outputs":
            of = node.of.of.of if isinstance(node.of.of, Index) else node.of.of
            module = file.modules.get(of.name) if isinstance(of, Name) else None
            outputs = _outputs(module, file, project) if module else None
            if module and outputs is not None and node.name not in outputs:
                yield node.line, f"{module.what} has no output {node.name}"


def _outputs(module: Resource, file: BicepFile, project: Project) -> Container[str] | None:
    """Give a module's outputs; nothing where it is not known, which is another finding."""
    if not module.is_from_registry:
        target = project.files.get(file.target(module))
        return target.outputs if target else None
    path = module.what.partition(":")[2].partition(":")[0]
    known = project.registry.modules.get(path)
    return known.outputs if known else None


def check_parameters(project: Project, given: Mapping[str, object], file: Path) -> list[Finding]:
    """Hold a parameter file against the main file."""
    wanted = project.main.parameters
    found = [f"there is no parameter {name}" for name in given if name not in wanted]
    for name, parameter in wanted.items():
        if name not in given and parameter.default is None:
            found.append(f"the parameter {name} is missing")
        value = given.get(name)
        is_fixed = isinstance(value, str | int) and "${" not in str(value)
        if parameter.allowed and name in given and is_fixed and value not in parameter.allowed:
            found.append(f"{name} cannot be {value!r}")
    return [Finding(file.name, 1, message) for message in found]
