"""What a rule says at one moment: the query, the aggregation and the threshold, all pure.

This is the second reading of a rule; the first is its KQL. Both come from the same structure.
"""

import operator
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import fmean
from typing import Any, assert_never

from local.monitor_simulator.rules import AlertRule, Operator, RowFilter, TimeAggregation
from local.monitor_simulator.store import RowStore
from local.monitor_simulator.table import LogRow

Dimensions = tuple[tuple[str, str], ...]

_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    Operator.EQUALS: operator.eq,
    Operator.GREATER_THAN: operator.gt,
    Operator.GREATER_THAN_OR_EQUAL: operator.ge,
    Operator.LESS_THAN: operator.lt,
    Operator.LESS_THAN_OR_EQUAL: operator.le,
}


@dataclass(frozen=True)
class Finding:
    """What one combination of dimensions came to in the rule's windows."""

    dimensions: Dimensions
    value: float
    is_met: bool
    window_start: datetime
    window_end: datetime


def evaluate(rule: AlertRule, store: RowStore, now: datetime) -> list[Finding]:
    """One finding for each combination that has rows; without dimensions, always one for Count.

    The value is the newest period's that has one. A period without rows is a healthy one: the
    service has nothing to hold against the threshold.
    """
    periods = [_figures(rule, store, now, back) for back in range(_periods(rule))]
    combinations = dict.fromkeys(key for period in periods for key in period)
    return [_finding(rule, key, periods, now) for key in combinations]


def _periods(rule: AlertRule) -> int:
    return rule.failing_periods.number_of_evaluation_periods


def _figures(
    rule: AlertRule, store: RowStore, now: datetime, periods_back: int
) -> Mapping[Dimensions, float]:
    end = now - periods_back * rule.window
    rows = [row for row in store.between(end - rule.window, end) if _matches(rule.filters, row)]
    groups: dict[Dimensions, list[LogRow]] = defaultdict(list)
    for row in rows:
        groups[_dimensions(rule, row)].append(row)
    if rule.time_aggregation is TimeAggregation.COUNT and not rule.dimensions:
        groups.setdefault((), [])
    figures = {key: _aggregate(rule, group) for key, group in groups.items()}
    return {key: figure for key, figure in figures.items() if figure is not None}


def _finding(
    rule: AlertRule,
    key: Dimensions,
    periods: Sequence[Mapping[Dimensions, float]],
    now: datetime,
) -> Finding:
    figures = [period[key] for period in periods if key in period]
    failing = sum(_COMPARE[rule.operator](figure, rule.threshold) for figure in figures)
    return Finding(
        dimensions=key,
        value=figures[0],
        is_met=failing >= rule.failing_periods.min_failing_periods_to_alert,
        window_start=now - _periods(rule) * rule.window,
        window_end=now,
    )


def _dimensions(rule: AlertRule, row: LogRow) -> Dimensions:
    return tuple((name, str(row.values.get(name) or "")) for name in rule.dimensions)


def _aggregate(rule: AlertRule, rows: Sequence[LogRow]) -> float | None:
    """The group's figure; None when it has no value to aggregate."""
    kept = rows[-1:] if rule.latest_only else rows
    values = [float(v) for row in kept if (v := row.values.get(rule.measure)) is not None]
    if rule.time_aggregation is TimeAggregation.COUNT:
        return float(len(kept))
    return _fold(rule.time_aggregation, values) if values else None


def _fold(aggregation: TimeAggregation, values: Sequence[float]) -> float:
    match aggregation:
        case TimeAggregation.MAXIMUM:
            return max(values)
        case TimeAggregation.MINIMUM:
            return min(values)
        case TimeAggregation.AVERAGE:
            return fmean(values)
        case TimeAggregation.TOTAL:
            return sum(values)
        case TimeAggregation.COUNT:
            return float(len(values))
        case _:
            assert_never(aggregation)


def _matches(filters: Iterable[RowFilter], row: LogRow) -> bool:
    return all(_holds(f, row.values.get(f.column)) for f in filters)


def _holds(rule: RowFilter, value: Any) -> bool:
    match rule.operator:
        case "==":
            return bool(value == rule.value)
        case "!=":
            return bool(value != rule.value)
        case "in":
            return isinstance(rule.value, tuple) and value in rule.value
        case _:
            # a comparison with null is never true in KQL
            return value is not None and _COMPARE[rule.operator](value, rule.value)
