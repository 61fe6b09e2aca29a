"""NCRONTAB, the schedules of timer triggers: checked and normalised here, computed by croniter.

The rules are those of NCrontab, the library of the real host: six fields (seconds first) or five
(seconds are 0); day-of-month AND day-of-week must both match; days of the week are 0 (Sunday) to
6; names count by any prefix of their English form; ``n/step`` runs from n to the field's end; a
range written backwards is turned round; there is no L, W, ?, # or @macro. croniter differs on
most of these, so that it only ever sees plain numbers.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from croniter import CroniterBadDateError, croniter

from local.functions_host.errors import InvalidSchedule

_PART = re.compile(r"(?P<first>\*|[0-9A-Za-z]+)(?:-(?P<last>[0-9A-Za-z]+))?(?:/(?P<step>\d+))?")
_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_FIVE_FIELDS = 5


@dataclass(frozen=True)
class _Field:
    """One field of an expression: its name, its limits and the names its values have."""

    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()

    def values(self, text: str) -> list[int]:
        return sorted({value for part in text.split(",") for value in self._part(part)})

    def _part(self, text: str) -> range:
        match = _PART.fullmatch(text)
        if match is None or (match["first"] == "*" and match["last"]):
            raise InvalidSchedule(f"'{text}' is not a valid {self.name} (no L, W, ?, # or @)")
        step = max(1, int(match["step"] or 1))
        if match["first"] == "*":
            return range(self.low, self.high + 1, step)
        first = self._value(match["first"])
        alone = self.high if match["step"] else first
        last = self._value(match["last"]) if match["last"] else alone
        return range(min(first, last), max(first, last) + 1, step)

    def _value(self, text: str) -> int:
        if text.isdecimal():
            if self.low <= int(text) <= self.high:
                return int(text)
            raise InvalidSchedule(f"{self.name} {text} is not between {self.low} and {self.high}")
        for position, name in enumerate(self.names):
            if name.startswith(text.lower()):
                return self.low + position
        raise InvalidSchedule(f"'{text}' is not a {self.name}")


_FIELDS = (
    _Field("second", 0, 59),
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of the month", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of the week", 0, 6, _DAYS),
)


@dataclass(frozen=True)
class Schedule:
    """A valid schedule: the expression as written and as croniter reads it."""

    expression: str
    numbers: str

    def next_after(self, moment: datetime) -> datetime | None:
        """Give the first occurrence after ``moment`` in UTC, or None if there is none (30 Feb)."""
        start = moment.astimezone(UTC)
        clock = croniter(self.numbers, start, second_at_beginning=True, day_or=False)
        try:
            found: datetime = clock.get_next(datetime)
        except CroniterBadDateError:
            return None
        return found


def parse_schedule(expression: str) -> Schedule:
    """Read an NCRONTAB expression; InvalidSchedule says which part is wrong."""
    fields = expression.split()
    if len(fields) == _FIVE_FIELDS:
        fields = ["0", *fields]
    if len(fields) != len(_FIELDS):
        raise InvalidSchedule(
            f"'{expression}' is not NCRONTAB: six fields "
            "{second} {minute} {hour} {day} {month} {day-of-week} are needed"
        )
    numbers = [_numbers(kind, text) for kind, text in zip(_FIELDS, fields, strict=True)]
    return Schedule(expression, " ".join(numbers))


def _numbers(kind: _Field, text: str) -> str:
    values = kind.values(text)
    if len(values) == kind.high - kind.low + 1:
        return "*"
    return ",".join(str(value) for value in values)
