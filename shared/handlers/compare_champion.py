"""Lets champion and challenger answer for the same days, and decides what the streak means.

Each finished day is compared once, in order, days that were missed included. Neither version is
told what was served. What is decided rests on the rows of the table alone, so that a repetition
decides the same.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import numpy as np

from shared.catalogue import Catalogue, Model
from shared.domain.champion import Comparison, Figures, Next, Streak, compare, decide, streak
from shared.domain.run import CANDIDATES, Run, State
from shared.errors import DataError, LoopError, NoChampion, NotFound, Refused
from shared.handlers.journal import Change, entry
from shared.handlers.promotion import send_to_promotion
from shared.handlers.steps import Steps
from shared.ports import ModelVersion, Registry, Scorer, Snapshot, Tables, Window, Windows

log = logging.getLogger(__name__)

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
class CompareChampion:
    """Compares every model's challenger with its champion."""

    catalogue: Catalogue
    steps: Steps
    registry: Registry
    windows: Windows
    scorer: Scorer
    tables: Tables
    git_sha: str = ""

    def all(self) -> int:
        """Compare every model; gives how many had a challenger.

        Raises:
            LoopError: the first trouble, once every other model was looked at.
        """
        seen, troubles = 0, []
        for model in self.catalogue.models:
            try:
                seen += self(model)
            except LoopError as error:
                log.exception("%s: champion and challenger were not compared", model.name)
                troubles.append(error)
        if troubles:
            raise troubles[0]
        return seen

    def __call__(self, model: Model) -> bool:
        """Compare one model's days that are finished and not compared yet, and decide.

        Raises:
            Unavailable: registry, tables or artifacts did not answer; nothing was decided.
        """
        runs = self.steps.journal.store.runs(model.name)
        waiting = [run for run in runs if run.state in CANDIDATES]
        if not waiting:
            return False
        challenger = self.registry.challenger(model.name)
        mine = [run for run in waiting if challenger and run.version == challenger.version]
        for run in waiting:
            if run not in mine:
                self._superseded(run, challenger)
        if challenger is not None and mine and mine[0].state is not State.AWAITING_APPROVAL:
            self._meet(model, mine[0], challenger)
        return bool(mine)

    def _meet(self, model: Model, run: Run, challenger: ModelVersion) -> None:
        try:
            champion = self.registry.champion(model.name)
        except NoChampion:
            log.warning("%s: no champion to compare version %s with", model.name, run.version)
            return
        begun = self._begun(run, champion)
        if begun is None:
            return
        duel = Duel(model, begun, champion, challenger)
        self._compare(duel)

    def _begun(self, run: Run, champion: ModelVersion) -> Run | None:
        """Give the run once it challenges; None where somebody else has moved it."""
        if run.state is State.CHALLENGING:
            return run

        def step(snapshot: Snapshot) -> Change | None:
            found, now = snapshot.run, self.steps.journal.clock.now()
            if found is None or found.state is not State.STAGED:
                return None
            first = (found.updated_at.astimezone(UTC) + ONE_DAY).date()
            facts = {**found.facts, SINCE: first.isoformat()}
            reason = f"challenges version {champion.version} from {first} on"
            # a notice of the staging that nobody took no longer matters
            told = found.notified_at or now
            moved = found.to(State.CHALLENGING, now, facts=facts, reason=reason, notified_at=told)
            return Change(run=moved, entries=(entry(moved, "run.challenging", now),))

        applied = self.steps.journal.apply(run.model, run.run_id, step)
        found = applied.run
        return found if found is not None and found.state is State.CHALLENGING else None

    def _compare(self, duel: Duel) -> None:
        """Write the rows of the finished days that have none, and decide after each.

        So that days made up at once come to what they would have come to one by one.
        """
        if self._decide(duel, self._rows(duel.run)):
            return  # a worker died between the row and what follows from it
        for found in self._comparisons(duel, self._missing(duel)):
            if not self._challenges(duel.run):
                return  # another worker has decided meanwhile
            row = self._row(duel, found)
            writer = f"challenge:{duel.run.run_id}"
            self.tables.append(TABLE, [row], writer=writer, batch=found.day.toordinal())
            # read again: another worker may have written days of its own
            if self._decide(duel, self._rows(duel.run)):
                return

    def _challenges(self, run: Run) -> bool:
        found = self.steps.journal.store.snapshot(run.model, run.run_id).run
        return found is not None and found.state is State.CHALLENGING

    def _missing(self, duel: Duel) -> Sequence[date]:
        """Give the finished days that are not compared yet, as many as go at once."""
        last = self.tables.last_batch(TABLE, f"challenge:{duel.run.run_id}")
        first = max(_since(duel.run), date.fromordinal(last + 1) if last else date.min)
        finished = _last_finished(duel.model, self.steps.journal.clock.now())
        return _days(first, finished)[:DAYS_AT_ONCE]

    def _comparisons(self, duel: Duel, days: Sequence[date]) -> list[Comparison]:
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

    def _decide(self, duel: Duel, rows: Sequence[Mapping[str, Any]]) -> bool:
        """Do what follows from the days so far; False: wait for the next one."""
        found = streak(rows, duel.champion.version, duel.challenger.version)
        what, reason = decide(found, len(rows), duel.model.challenge)
        context = _grounds(duel, found)
        if what is Next.GIVE_UP:
            self._give_up(duel.run, reason, context)
        elif what is Next.PROMOTE and duel.model.approval_required:
            self._ask(duel, reason, context)
        elif what is Next.PROMOTE:
            send_to_promotion(self.steps, duel.run, reason=reason, context=context)
        return what is not Next.WAIT

    def _rows(self, run: Run) -> list[dict[str, Any]]:
        try:
            return self.tables.read(TABLE, {"run_id": run.run_id})
        except NotFound:
            return []

    def _ask(self, duel: Duel, reason: str, context: dict[str, Any]) -> None:
        hours = duel.model.approval.hours

        def step(snapshot: Snapshot) -> Change | None:
            found, now = snapshot.run, self.steps.journal.clock.now()
            if found is None or found.state is not State.CHALLENGING:
                return None
            until = now + timedelta(hours=hours)
            facts = {**found.facts, "grounds": context, "approval_until": until.isoformat()}
            said = f"{reason}; a person must approve before {until:%Y-%m-%d %H:%M}Z"
            moved = found.to(
                State.AWAITING_APPROVAL, now, reason=said, facts=facts, notified_at=None
            )
            noted = entry(moved, "run.awaiting_approval", now, context=context)
            return Change(run=moved, entries=(noted,))

        run = duel.run
        self.steps.announced(self.steps.journal.apply(run.model, run.run_id, step))

    def _give_up(self, run: Run, reason: str, context: dict[str, Any]) -> None:
        try:
            self.registry.retire(run.model, run.version)
        except (NotFound, Refused) as error:
            reason = f"{reason}; its role stays: {error}"
        end_candidate(self.steps, run, reason, context)

    def _superseded(self, run: Run, challenger: ModelVersion | None) -> None:
        now = f"version {challenger.version} has" if challenger else "nobody has"
        end_candidate(self.steps, run, f"superseded: {now} the challenger's role", {})


def end_candidate(
    steps: Steps,
    run: Run,
    reason: str,
    context: dict[str, Any],
    *,
    expect: Callable[[Run], bool] = lambda _: True,
) -> bool:
    """Reject a run whose version will not become the champion.

    False where it has moved on, or ``expect`` says no of the run as it now is.
    """

    def step(snapshot: Snapshot) -> Change | None:
        found, now = snapshot.run, steps.journal.clock.now()
        if found is None or found.state is not run.state or not expect(found):
            return None
        moved = found.to(State.REJECTED, now, reason=reason[:2000], notified_at=None)
        noted = entry(
            moved, "run.rejected", now, outcome="denied", context={"blocked": True, **context}
        )
        return Change(run=moved, entries=(noted,))

    return steps.announced(steps.journal.apply(run.model, run.run_id, step)).changed


def _grounds(duel: Duel, found: Streak) -> dict[str, Any]:
    return {
        "consecutive_wins": found.wins,
        "consecutive_wins_required": duel.model.challenge.wins,
        "rows_compared": found.n,
        "p_value": found.p_value,
        "champion_version": duel.champion.version,
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
