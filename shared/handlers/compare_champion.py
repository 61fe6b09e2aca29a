"""Lets champion and challenger answer for the same days, and decides what the streak means.

Each finished day is compared once, in order, days that were missed included. Neither version is
told what was served. What is decided rests on the rows of the table alone, so that a repetition
decides the same.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, timedelta
from functools import partial
from typing import Any

from shared.catalogue import Catalogue, Model
from shared.domain.champion import Next, Streak, decide, streak
from shared.domain.run import CANDIDATES, Run, State
from shared.errors import NoChampion, NotFound, Refused
from shared.handlers.apart import each_apart
from shared.handlers.challenge_days import ONE_DAY, SINCE, ChallengeDays, Duel
from shared.handlers.decisions import DECIDED, UNTIL, end_candidate
from shared.handlers.journal import Change, entry
from shared.handlers.promotion_start import send_to_promotion
from shared.handlers.steps import Steps
from shared.ports import ModelVersion, Registry, Scorer, Snapshot, Tables, Windows

log = logging.getLogger(__name__)


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

    @property
    def days(self) -> ChallengeDays:
        clock = self.steps.journal.clock
        return ChallengeDays(self.windows, self.scorer, self.tables, clock, self.git_sha)

    def all(self) -> int:
        """Compare every model; gives how many had a challenger.

        Raises:
            LoopError: the first trouble, once every other model was looked at.
        """
        return sum(each_apart(partial(self, model) for model in self.catalogue.models))

    def __call__(self, model: Model) -> bool:
        """Compare one model's days that are finished and not compared yet, and decide.

        Raises:
            Unavailable: registry, tables or artifacts did not answer; nothing was decided.
        """
        waiting = self.steps.journal.store.runs(model.name, states=CANDIDATES)
        if not waiting:
            return False
        challenger = self.registry.challenger(model.name)
        mine = [run for run in waiting if challenger and run.version == challenger.version]
        for run in waiting:
            # one that is decided on ends in the words of that decision, role or not
            if run not in mine and DECIDED not in run.facts:
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
        if self._decide(duel, self.days.rows(duel.run)):
            return  # a worker died between the row and what follows from it
        for found in self.days.comparisons(duel, self.days.missing(duel)):
            if not self._challenges(duel.run):
                return  # another worker has decided meanwhile
            self.days.append(duel, found)
            # read again: another worker may have written days of its own
            if self._decide(duel, self.days.rows(duel.run)):
                return

    def _challenges(self, run: Run) -> bool:
        found = self.steps.journal.store.snapshot(run.model, run.run_id).run
        return found is not None and found.state is State.CHALLENGING

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

    def _ask(self, duel: Duel, reason: str, context: dict[str, Any]) -> None:
        hours = duel.model.approval.hours

        def step(snapshot: Snapshot) -> Change | None:
            found, now = snapshot.run, self.steps.journal.clock.now()
            if found is None or found.state is not State.CHALLENGING:
                return None
            until = now + timedelta(hours=hours)
            facts = {**found.facts, "grounds": context, UNTIL: until.isoformat()}
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


def _grounds(duel: Duel, found: Streak) -> dict[str, Any]:
    return {
        "consecutive_wins": found.wins,
        "consecutive_wins_required": duel.model.challenge.wins,
        "rows_compared": found.n,
        "p_value": found.p_value,
        "champion_version": duel.champion.version,
    }
