"""One challenger's days: which are finished, how both answered, and their rows in the table.

What may go in here: what is measured and written down of a day. What follows from the days is
decided in ``compare_champion.py``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import numpy as np

from shared.catalogue import Model
from shared.domain.champion import Comparison, Figures, compare
from shared.domain.run import Run
from shared.errors import DataError, NotFound
from shared.ports import Clock, ModelVersion, Scorer, Tables, Window, Windows

TABLE = "lh_gold.ml_champion_challenger"
SINCE = "challenge_from"
"""Where a run's facts hold the first day that counts, as ISO date."""
DAYS_AT_ONCE = 14
"""Days made up in one go; the next call goes on. This bounds memory and time."""
ONE_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Duel:
    """Who meets whom, in which run."""

    model: Model
    run: Run
    champion: ModelVersion
    challenger: ModelVersion


@dataclass(frozen=True)
class ChallengeDays:
    """Compares days and keeps their rows."""

    windows: Windows
    scorer: Scorer
    tables: Tables
    clock: Clock
    git_sha: str = ""

    def rows(self, run: Run) -> list[dict[str, Any]]:
        """Give the rows of the days that a run has compared."""
        try:
            return self.tables.read(TABLE, {"run_id": run.run_id})
        except NotFound:
            return []

    def missing(self, duel: Duel) -> Sequence[date]:
        """Give the finished days that are not compared yet, as many as go at once."""
        last = self.tables.last_batch(TABLE, f"challenge:{duel.run.run_id}")
        first = max(_since(duel.run), date.fromordinal(last + 1) if last else date.min)
        finished = _last_finished(duel.model, self.clock.now())
        return _days(first, finished)[:DAYS_AT_ONCE]

    def comparisons(self, duel: Duel, days: Sequence[date]) -> list[Comparison]:
        """Have both answer for the days' rows, and compare each day."""
        if not days:
            return []
        served = self._served(duel, days)
        if not served.rows or served.times is None:
            return [_lost(day, "no rows were served") for day in days]
        champion, fault = self._answers(duel.champion, served)
        challenger, own = self._answers(duel.challenger, served)
        if champion is None or challenger is None:
            return [_lost(day, fault or own) for day in days]
        # both answered for all days at once: to start a process takes longer than a day's rows
        cuts = np.searchsorted(served.times, np.array(days[1:], dtype="datetime64[us]"))
        task, least = duel.model.task, duel.model.challenge.min_rows
        parts = zip(
            days,
            np.split(served.actual, cuts),
            np.split(champion, cuts),
            np.split(challenger, cuts),
            strict=True,
        )
        return [
            compare(
                day,
                task,
                actual=actual,
                champion=beside,
                challenger=mine,
                min_rows=least,
            )
            for day, actual, beside, mine in parts
        ]

    def append(self, duel: Duel, found: Comparison) -> None:
        """Write a day's row, once however often it is asked for."""
        row = self._row(duel, found)
        writer = f"challenge:{duel.run.run_id}"
        self.tables.append(TABLE, [row], writer=writer, batch=found.day.toordinal())

    def _served(self, duel: Duel, days: Sequence[date]) -> Window:
        start, end = _midnight(days[0]), _midnight(days[-1]) + ONE_DAY
        return self.windows.served(duel.model, duel.champion.version, start, end)

    def _answers(self, version: ModelVersion, served: Window) -> tuple[Any, str]:
        try:
            return self.scorer.score(version, served.features).predictions, ""
        except DataError as error:
            return None, str(error)

    def _row(self, duel: Duel, found: Comparison) -> dict[str, Any]:
        start = _midnight(found.day)
        low, high = found.interval
        data = duel.challenger.tags.get("training_data_version", "")
        return {
            "evaluation_window": start,
            "model_family": duel.model.name,
            **_side("champion", duel.champion, found.champion),
            **_side("challenger", duel.challenger, found.challenger),
            "challenger_won": found.won,
            "rows_scored": found.n,
            "data_version": int(data) if data.isdigit() else None,
            "git_sha": self.git_sha,
            "run_id": duel.run.run_id,
            "window_start": start,
            "window_end": start + ONE_DAY,
            "n": found.n,
            "metric": "auc" if duel.model.task == "classification" else "rmse",
            "difference": found.difference,
            "difference_error": found.error,
            "difference_low": low,
            "difference_high": high,
            "p_value": found.p_value,
            "reason": found.reason[:1000],
        }


def _side(who: str, version: ModelVersion, figures: Figures) -> dict[str, Any]:
    return {
        f"{who}_name": version.name,
        f"{who}_version": version.version,
        f"{who}_r2": figures.r2,
        f"{who}_rmse": figures.rmse,
        f"{who}_auc": figures.auc,
    }


def _lost(day: date, reason: str) -> Comparison:
    return Comparison(day, 0, won=False, reason=reason)


def _since(run: Run) -> date:
    return date.fromisoformat(run.facts[SINCE])


def _last_finished(model: Model, now: datetime) -> date:
    """Give the last day whose rows and actuals count as arrived."""
    lag = max(model.windows.lag_days, model.windows.actual_lag_days)
    return (now.astimezone(UTC) - ONE_DAY - timedelta(days=lag)).date()


def _days(first: date, last: date) -> list[date]:
    return [first + n * ONE_DAY for n in range((last - first).days + 1)]


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
