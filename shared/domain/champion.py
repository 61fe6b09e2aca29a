"""Champion against challenger: one day's comparison, the streak, and what follows from it.

Both answer for the same rows. A day is won by the better metric, RMSE for a regression and AUC for
a classification; how sure that is comes from the paired differences of the rows' squared errors
(Diebold and Mariano, Comparing Predictive Accuracy, 1995, for one step ahead), which for a
classification is the Brier score's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from shared.domain.gates.measures import auc, r2, rmse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from shared.catalogue import Task
    from shared.sections.challenge import Challenge

    Floats = npt.NDArray[np.float64]

Z95 = 1.959963984540054
"""Standard deviations of a two-sided 95 % interval."""


@dataclass(frozen=True)
class Figures:
    """One version's figures of a day; None where the task or the rows do not give them."""

    rmse: float | None = None
    r2: float | None = None
    auc: float | None = None


@dataclass(frozen=True)
class Comparison:
    """One day of champion against challenger.

    Attributes:
        n: rows with an actual that both answered.
        difference: the champion's mean squared error less the challenger's; above 0 the
            challenger is closer.
        error: standard error of ``difference``.
        p_value: of no difference, two-sided.
        reason: why the day is won or not, for a person.
    """

    day: date
    n: int
    won: bool
    reason: str
    champion: Figures = Figures()
    challenger: Figures = Figures()
    difference: float | None = None
    error: float | None = None
    p_value: float | None = None

    @property
    def interval(self) -> tuple[float | None, float | None]:
        """Give the 95 % interval of the difference."""
        if self.difference is None or self.error is None:
            return None, None
        return self.difference - Z95 * self.error, self.difference + Z95 * self.error


def compare(  # noqa: PLR0913 - the day, its rows and how they are judged
    day: date, task: Task, *, actual: Floats, champion: Floats, challenger: Floats, min_rows: int
) -> Comparison:
    """Compare two versions' answers for one day's rows.

    Rows without an actual are left out. An answer that is no number loses its version the day; if
    the champion gave one, the day is no win either: it cannot be compared.
    """
    known = np.isfinite(actual)
    actual, champion, challenger = actual[known], champion[known], challenger[known]
    n = int(actual.size)
    fault = _fault(task, actual, champion, challenger, min_rows)
    if fault:
        return Comparison(day, n, won=False, reason=fault)
    beside, figures = _figures(task, actual, champion), _figures(task, actual, challenger)
    difference, error = _paired((actual - champion) ** 2 - (actual - challenger) ** 2)
    won, reason = _winner(task, beside, figures)
    p_value = two_sided(difference, error)
    return Comparison(day, n, won, reason, beside, figures, difference, error, p_value)


def two_sided(difference: float, error: float) -> float:
    """Give the chance of a mean difference at least so far from 0 where there is none."""
    if error == 0:
        return 1.0 if difference == 0 else 0.0
    return math.erfc(abs(difference / error) / math.sqrt(2))


def _paired(losses: Floats) -> tuple[float, float]:
    """Give the mean and its standard error."""
    return float(losses.mean()), float(losses.std(ddof=1) / math.sqrt(losses.size))


def _fault(task: Task, actual: Floats, champion: Floats, challenger: Floats, least: int) -> str:
    if actual.size < least:
        return f"{actual.size} rows with an actual, {least} are needed"
    for who, answers in (("champion", champion), ("challenger", challenger)):
        bad = int(np.count_nonzero(~np.isfinite(answers)))
        if bad:
            return f"{bad} of {actual.size} answers of the {who} are not finite numbers"
    values = np.unique(actual)
    if values.size == 1:
        return f"every actual is {values[0]:.4g}: nothing can be told apart"
    if task == "classification" and values.tolist() != [0.0, 1.0]:
        return f"the actuals of a classification are 0 and 1, found {values[:3].tolist()}"
    return ""


def _figures(task: Task, actual: Floats, answers: Floats) -> Figures:
    if task == "classification":
        return Figures(auc=auc(actual, answers))
    return Figures(rmse=rmse(actual, answers), r2=r2(actual, answers))


def _winner(task: Task, champion: Figures, challenger: Figures) -> tuple[bool, str]:
    if task == "classification":
        name, mine, other, sign = "AUC", challenger.auc or 0.0, champion.auc or 0.0, 1
    else:
        name, mine, other, sign = "RMSE", challenger.rmse or 0.0, champion.rmse or 0.0, -1
    ahead = sign * (mine - other)
    word = "wins" if ahead > 0 else "ties" if ahead == 0 else "loses"
    return ahead > 0, f"the challenger {word}: {name} {mine:.6g} against {other:.6g}"


class Next(StrEnum):
    """What follows from the days so far."""

    WAIT = "wait"
    PROMOTE = "promote"
    GIVE_UP = "give_up"


@dataclass(frozen=True)
class Streak:
    """The days that the challenger has won in a row, up to the last one compared.

    Attributes:
        p_value: of no difference over all its rows; None without a day.
        difference: the champion's mean squared error less the challenger's, over all its rows.
    """

    wins: int = 0
    n: int = 0
    p_value: float | None = None
    difference: float = 0.0

    def sure(self, level: float) -> bool:
        """Tell whether the challenger is the closer one, and not by chance.

        A challenger that ranks better may be significantly farther off.
        """
        return self.p_value is not None and self.p_value < level and self.difference > 0


def streak(rows: Sequence[Mapping[str, Any]], champion: str, challenger: str) -> Streak:
    """Count back from the last day; rows are those of ``lh_gold.ml_champion_challenger``.

    Bound to both versions and to days that follow each other: another version, a tie, a day that
    is missing or had too few rows ends it.
    """
    days = {row["window_start"].date(): row for row in rows}
    won: list[Mapping[str, Any]] = []
    day = max(days, default=None)
    while day is not None and _won(days.get(day), champion, challenger):
        won.append(days[day])
        day -= timedelta(days=1)
    return _pooled(won)


def decide(found: Streak, days: int, rule: Challenge) -> tuple[Next, str]:
    """Say what follows after so many days, and why."""
    if found.wins >= rule.wins:
        shown = f"won {found.wins} days in a row, {rule.wins} are asked for"
        shown += f"; p {found.p_value:.3g} over {found.n} rows" if found.p_value is not None else ""
        if rule.significance is None or found.sure(rule.significance):
            return Next.PROMOTE, shown
        if days < rule.max_days:
            farther = "" if found.difference > 0 else "; its squared errors are not smaller"
            return Next.WAIT, f"{shown}, below {rule.significance:g} is asked for{farther}"
    if days >= rule.max_days:
        reason = f"no streak of {rule.wins} wins in {days} days, {rule.max_days} are allowed"
        return Next.GIVE_UP, reason
    return Next.WAIT, f"won {found.wins} days in a row, {rule.wins} are asked for"


def _won(row: Mapping[str, Any] | None, champion: str, challenger: str) -> bool:
    return (
        row is not None
        and bool(row["challenger_won"])
        and (row["champion_version"], row["challenger_version"]) == (champion, challenger)
    )


def _pooled(days: Sequence[Mapping[str, Any]]) -> Streak:
    """Pool the days' mean differences, weighted by their rows."""
    if not days:
        return Streak()
    n = [int(day["rows_scored"]) for day in days]
    total = sum(n)
    mean = sum(w * day["difference"] for w, day in zip(n, days, strict=True)) / total
    error = math.sqrt(
        sum((w * day["difference_error"]) ** 2 for w, day in zip(n, days, strict=True))
    )
    return Streak(len(days), total, two_sided(mean, error / total), mean)
