"""Everything that changes a champion goes this way: promotion, rollback, bootstrap.

One at a time a model, under its lock. The intent is written before the registry is touched and the
outcome after; who comes back finds the intent and finishes it, or undoes it where the registry
refuses.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from shared.catalogue import Catalogue, Model
from shared.domain.run import Lock, Purpose, Run, State
from shared.errors import DataError, NotFound, Refused
from shared.handlers.journal import Change
from shared.handlers.promotion_fitness import Fitness
from shared.handlers.promotion_record import PREVIOUS, REPLACES, PromotionRecord
from shared.handlers.steps import Steps, owns
from shared.ports import ModelVersion, Registry, Scorer, Snapshot, Windows

log = logging.getLogger(__name__)

LOCK_HOURS = 1
"""How long a promotion may hold its model; it takes seconds, and one that died is taken over."""
WAIT_SECONDS = 300.0
"""How long a promotion waits while another run holds the model."""

Card = Callable[[Model, Run, ModelVersion], Mapping[str, Any]]


@dataclass(frozen=True)
class Promote:
    """Carries promotions out."""

    catalogue: Catalogue
    steps: Steps
    registry: Registry
    windows: Windows
    scorer: Scorer
    write_card: Card | None = None

    @property
    def record(self) -> PromotionRecord:
        return PromotionRecord(self.steps)

    @property
    def fitness(self) -> Fitness:
        return Fitness(self.registry, self.windows, self.scorer, self.steps.journal.clock)

    def __call__(self, model_name: str, run_id: str) -> None:
        """Promote, or finish a promotion; safe to repeat, and to run twice at a time.

        Raises:
            NotFound: the model is not in the catalogue, or has no such run.
            Unavailable: something did not answer; the message comes again.
        """
        model = self.catalogue.find(model_name)
        run = self.steps.journal.store.snapshot(model_name, run_id).run
        if model is None or run is None:
            raise NotFound(f"no run {run_id} of model {model_name!r}", subject=run_id)
        if run.state is not State.PROMOTING:
            return
        mine = self._take(run)
        if mine is None:
            self._wait(run)
        else:
            self._go_on(model, mine)

    def _wait(self, run: Run) -> None:
        """Come back later; a message whose like is under way is dropped, so that one waits."""
        rest = timedelta(seconds=WAIT_SECONDS)

        def decide(snapshot: Snapshot) -> Change | None:
            now, found = self.steps.journal.clock.now(), snapshot.run
            if found is None or found.state is not State.PROMOTING:
                return None
            # half: storage's clock makes a message visible a little early or late by ours
            if found.due_at is not None and found.due_at - now > rest / 2:
                return None
            return Change(replace(found, due_at=now + rest, updated_at=now))

        applied = self.steps.journal.apply(run.model, run.run_id, decide)
        if applied.changed and applied.run is not None:
            self.steps.send(applied.run, delay_seconds=WAIT_SECONDS)

    def _take(self, run: Run) -> Run | None:
        """Take the model's lock; gives the run with its fence, None where another has the model."""

        def decide(snapshot: Snapshot) -> Change | None:
            now, found = self.steps.journal.clock.now(), snapshot.run
            if found is None or found.state is not State.PROMOTING:
                return None
            if snapshot.lock.held_by_other(run.run_id, now):
                return None
            fence = found.fence if owns(snapshot, found) else snapshot.lock.fence + 1
            until = now + timedelta(hours=LOCK_HOURS)
            mine = replace(found, fence=fence, updated_at=now, due_at=None)
            return Change(mine, Lock(run.run_id, fence, until))

        applied = self.steps.journal.apply(run.model, run.run_id, decide)
        return applied.run if applied.changed else None

    def _go_on(self, model: Model, run: Run) -> None:
        serving = self.fitness.champion(run.model)
        if REPLACES not in run.facts:
            fault = self.fitness.fault(model, run, serving)
            if fault:
                self._turn_down(run, fault)
                return
            before = self.registry.previous(run.model)
            intended = self.record.intend(run, serving, before.version if before else "")
            if intended is None:
                return
            run = intended
        elif serving not in (run.version, run.facts[REPLACES]):
            reason = f"the champion was changed to version {serving or 'none'} meanwhile"
            self._turn_down(run, reason)
            return
        self._act(model, run)

    def _act(self, model: Model, run: Run) -> None:
        try:
            self.registry.promote(run.model, run.version)
            version = self.registry.version(run.model, run.version)
            card = dict(self.write_card(model, run, version)) if self.write_card else {}
        except (NotFound, Refused, DataError) as error:
            self._undo(run)
            self._turn_down(run, f"could not be promoted, and everything is as before: {error}")
            return
        if run.purpose is Purpose.ROLLBACK:
            self.record.tell_displaced(run)
        self.record.done(run, card)

    def _turn_down(self, run: Run, reason: str) -> None:
        """End a run that promotes nobody; its challenger loses the role first.

        In this order: a run that has ended is not come back to, and its role would stay.
        """
        if run.purpose is Purpose.PROMOTION:
            try:
                self.registry.retire(run.model, run.version)
            except (NotFound, Refused) as error:
                log.info("%s: version %s keeps its role: %s", run.model, run.version, error)
        self.record.reject(run, reason)

    def _undo(self, run: Run) -> None:
        """Put back who was the champion and who was before, however far the promotion came."""
        self.registry.undo_promotion(
            run.model,
            run.version,
            champion=run.facts[REPLACES],
            previous=run.facts.get(PREVIOUS, ""),
        )
