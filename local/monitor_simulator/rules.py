"""The alert rules' file: its shape, and the service's documented limits on it.

Whatever the service would refuse at deployment is refused here when the file is loaded.
"""

import json
from collections.abc import Iterator
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, model_validator
from pydantic.alias_generators import to_camel

from local.monitor_simulator.table import ColumnType, LogTable
from shared.adapters.profiles.kql import AlertQuery, Filter, FilterOperator

LONGEST_LOOK_BACK = timedelta(days=2)
"""A log alert's query sees no more, whatever it asks."""
LONGEST_STATEFUL_FREQUENCY = timedelta(hours=12)
LARGEST_RULE_BYTES = 64 * 1024

_duration = TypeAdapter(timedelta)
IsoDuration = Annotated[str, StringConstraints(pattern=r"^P(\d+D)?(T(\d+H)?(\d+M)?)?$")]


class TimeAggregation(StrEnum):
    """How the measure's values in one window become one figure."""

    COUNT = "Count"
    AVERAGE = "Average"
    MINIMUM = "Minimum"
    MAXIMUM = "Maximum"
    TOTAL = "Total"


class Operator(StrEnum):
    """How the figure is held against the threshold."""

    EQUALS = "Equals"
    GREATER_THAN = "GreaterThan"
    GREATER_THAN_OR_EQUAL = "GreaterThanOrEqual"
    LESS_THAN = "LessThan"
    LESS_THAN_OR_EQUAL = "LessThanOrEqual"


class _Part(BaseModel):
    """Camel case in the file, as in Bicep; unknown keys are mistakes."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True
    )


class RowFilter(_Part):
    """One condition on a row."""

    column: str
    operator: FilterOperator
    value: str | bool | int | float | tuple[str, ...]

    @model_validator(mode="after")
    def _lists_belong_to_in(self) -> Self:
        if isinstance(self.value, tuple) != (self.operator == "in"):
            raise ValueError("a list of values goes with the operator 'in', and only with it")
        return self


class FailingPeriods(_Part):
    """How many of the last windows must be over the threshold."""

    number_of_evaluation_periods: int = Field(ge=1, le=6)
    min_failing_periods_to_alert: int = Field(ge=1, le=6)


class AlertRule(_Part):
    """One scheduled query rule."""

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{2,59}$")
    display_name: str
    description: str
    severity: int = Field(ge=0, le=4)
    enabled: bool
    filters: tuple[RowFilter, ...]
    dimensions: tuple[str, ...] = Field(max_length=6)
    latest_only: bool
    measure: str
    time_aggregation: TimeAggregation
    operator: Operator
    threshold: float
    evaluation_frequency: IsoDuration
    window_size: IsoDuration
    failing_periods: FailingPeriods
    auto_mitigate: bool
    custom_properties: dict[str, str]
    query: str

    @property
    def frequency(self) -> timedelta:
        return _duration.validate_python(self.evaluation_frequency)

    @property
    def window(self) -> timedelta:
        return _duration.validate_python(self.window_size)

    def as_query(self, table: str) -> AlertQuery:
        return AlertQuery(
            table=table,
            filters=tuple(Filter(f.column, f.operator, f.value) for f in self.filters),
            dimensions=self.dimensions,
            measure=self.measure,
            latest_only=self.latest_only,
        )

    def evaluations_to_resolve(self) -> int:
        """How many healthy evaluations in a row resolve an alert: the service's own table."""
        if self.frequency < timedelta(minutes=5):
            return -(-timedelta(minutes=10) // self.frequency)
        if self.frequency <= timedelta(minutes=15):
            return 3
        return 2 if self.frequency <= timedelta(hours=11) else 1

    @model_validator(mode="after")
    def _is_within_the_limits(self) -> Self:
        problems = list(_problems(self))
        if problems:
            raise ValueError("; ".join(problems))
        return self


def _problems(rule: AlertRule) -> Iterator[str]:
    if not timedelta(minutes=1) <= rule.frequency <= timedelta(days=1):
        yield "evaluationFrequency must be between 1 minute and 1 day"
    if rule.auto_mitigate and rule.frequency > LONGEST_STATEFUL_FREQUENCY:
        yield "a stateful rule (autoMitigate) cannot be evaluated less often than every 12 hours"
    if rule.window < rule.frequency:
        yield "windowSize must not be shorter than evaluationFrequency: rows would be missed"
    yield from _period_problems(rule)
    if len(set(rule.dimensions)) != len(rule.dimensions):
        yield "dimensions must be unique"
    if len(rule.model_dump_json(by_alias=True).encode()) > LARGEST_RULE_BYTES:
        yield "the rule's properties exceed 64 KB"


def _period_problems(rule: AlertRule) -> Iterator[str]:
    periods = rule.failing_periods
    if rule.window * periods.number_of_evaluation_periods > LONGEST_LOOK_BACK:
        yield "windowSize x numberOfEvaluationPeriods must not exceed 2 days"
    if periods.min_failing_periods_to_alert > periods.number_of_evaluation_periods:
        yield "minFailingPeriodsToAlert must not exceed numberOfEvaluationPeriods"
    if rule.latest_only and periods.number_of_evaluation_periods > 1:
        yield "latestOnly leaves one row: there is only one evaluation period to look at"


class AlertRules(_Part):
    """The file: the table, and the rules that read it."""

    json_schema: Literal["./alert-rules.schema.json"] = Field(alias="$schema")
    table: str
    rules: tuple[AlertRule, ...] = Field(min_length=1)

    def named(self, name: str) -> AlertRule | None:
        return next((rule for rule in self.rules if rule.name == name), None)


def load_rules(path: Path, table: LogTable) -> AlertRules:
    """Read and check the file; raise ``ValueError`` with every problem found."""
    rules = AlertRules.model_validate_json(path.read_text(encoding="utf-8"))
    if rules.table != table.table:
        raise ValueError(f"{path.name} reads {rules.table}, the declared table is {table.table}")
    problems = [f"{r.name}: {p}" for r in rules.rules for p in _unreadable(r, table)]
    if len({rule.name for rule in rules.rules}) != len(rules.rules):
        problems.append("two rules have the same name")
    if problems:
        raise ValueError("; ".join(problems))
    return rules


def _unreadable(rule: AlertRule, table: LogTable) -> Iterator[str]:
    types = table.types
    for column in (*rule.dimensions, rule.measure, *(f.column for f in rule.filters)):
        if column not in types:
            yield f"{table.table} has no column {column}"
    if types.get(rule.measure, ColumnType.REAL) not in table.NUMERIC:
        yield f"the measure {rule.measure} is not a number"


def schema_text() -> str:
    """The JSON schema of the file, as ``infra/alert-rules.schema.json`` holds it."""
    schema = AlertRules.model_json_schema(by_alias=True)
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
