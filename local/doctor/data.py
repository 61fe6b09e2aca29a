"""Registry and lakehouse: what the server can do, who serves, and the form of the tables."""

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from local.doctor.findings import Check, fail, warn
from shared.domain.tables import TABLES, Table
from shared.errors import LoopError, NoChampion, NoTable, NotFound, Refused, Unavailable

if TYPE_CHECKING:
    from shared.adapters.delta.lakehouse import Lakehouse
    from shared.catalogue import Catalogue, Model
    from shared.ports import Registry

REGISTRY: Final = "registry"
LAKEHOUSE: Final = "lakehouse"
_FORMS: Final[Mapping[str, frozenset[str]]] = {
    "STRING": frozenset({"string"}),
    "INT": frozenset({"integer"}),
    "BIGINT": frozenset({"long"}),
    "DOUBLE": frozenset({"double"}),
    "BOOLEAN": frozenset({"boolean"}),
    "TIMESTAMP": frozenset({"timestamp"}),
}
"""Spark SQL's names as Delta writes them. Source: Delta protocol, primitive types."""
_ROLE: Final = "give the identity the role Contributor in the lakehouse's workspace"
_WHERE: Final = "check LAKEHOUSE_URI and the table's name in models.yaml"
_STATUS: Final = re.compile(r"\b(?:(401 Unauthorized|403 Forbidden)|404 Not Found)\b")
_MODELS: Final = (
    "give the identity the right to read and write models there; is MLFLOW_TRACKING_URI right?"
)
_SERVER: Final = "check MLFLOW_TRACKING_URI"


def registry_checks(registry: "Callable[[], Registry]", catalogue: "Catalogue") -> list[Check]:
    """Ask what the registry can do, and each model's champion.

    Args:
        registry: sets it up; that may fail as any other look may.
        catalogue: the models.
    """

    def look() -> str:
        able = registry().capabilities()
        if not any(able.values()):
            raise fail("it knows neither aliases, stages nor tags", "roles cannot be kept there")
        return ", ".join(f"{name}: {'yes' if has else 'no'}" for name, has in able.items())

    found = [Check(REGISTRY, "capabilities", look, _MODELS, _SERVER)]
    return found + [_champion(registry, model.name) for model in catalogue.models]


def _champion(registry: "Callable[[], Registry]", model: str) -> Check:
    def look() -> str:
        try:
            return f"version {registry().champion(model).version}"
        except NoChampion:
            remedy = f"name the first one: POST /api/models/{model}/bootstrap"
            raise warn("no version is the champion", remedy) from None

    return Check(REGISTRY, f"champion of {model}", look, _MODELS, _SERVER)


def lakehouse_checks(lakehouse: "Callable[[], Lakehouse]", catalogue: "Catalogue") -> list[Check]:
    """Ask for the form of each table the app writes and each one a model reads."""
    found = [_written(lakehouse, table) for table in TABLES.values()]
    for model in catalogue.models:
        found += [_read(lakehouse, model, *each) for each in _needed(model).items()]
    return found


def _written(lakehouse: "Callable[[], Lakehouse]", table: Table) -> Check:
    def look() -> str:
        try:
            have = _columns(lakehouse(), table.name)
        except NoTable:
            return "not there yet: the first row makes it"
        return _compared(table, have)

    return Check(LAKEHOUSE, f"table {table.name}", look, _ROLE, _WHERE)


def _compared(table: Table, have: Mapping[str, str]) -> str:
    strange = [
        f"{column.name} is {have.get(column.name, 'missing')}, not {column.type}"
        for column in table.columns
        if have.get(column.name) not in _FORMS[column.type]
    ]
    if strange:
        remedy = "add what is missing; a column of another type needs a new table: docs/tables.md"
        raise fail("; ".join(strange[:5]), remedy)
    return f"{len(have)} columns"


def _needed(model: "Model") -> Mapping[str, frozenset[str]]:
    """Give the tables a model reads here, each with its columns."""
    columns, data = model.columns, model.data
    features = {columns.id, columns.timestamp, *model.feature_names}
    known = {columns.actual_timestamp} if columns.actual_timestamp else set()
    served = features | {columns.prediction, columns.model_version}
    return {
        data.actuals: frozenset({columns.id, columns.actual, *known}),
        data.holdout: frozenset(features | {columns.actual}),
        # wherever profiles come from: the gates read them here in every case
        data.predictions: frozenset(served),
    }


def _read(
    lakehouse: "Callable[[], Lakehouse]", model: "Model", table: str, wanted: frozenset[str]
) -> Check:
    def look() -> str:
        have = _columns(lakehouse(), table)
        missing = sorted(wanted - set(have))
        if missing:
            raise fail(f"has no column {', '.join(missing)}", _WHERE)
        return f"{len(have)} columns, all that {model.name} reads"

    return Check(LAKEHOUSE, f"table {table}", look, _ROLE, _WHERE)


def _columns(lakehouse: "Lakehouse", table: str) -> Mapping[str, str]:
    try:
        fields = lakehouse.open(table).schema().fields
    except Unavailable as error:
        raise _said(error) from error
    return {field.name: str(getattr(field.type, "type", field.type)) for field in fields}


def _said(error: Unavailable) -> LoopError:
    """Tell a refusal from a service that is away: delta-rs says it in words alone."""
    status = _STATUS.search(str(error))
    if status is None:
        return error
    kind = Refused if status[1] else NotFound
    return kind(str(error), subject=error.subject)
