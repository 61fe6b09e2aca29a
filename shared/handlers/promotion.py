"""Everything that changes a champion goes this way: promotion, rollback, bootstrap.

One at a time a model, under its lock. The intent is written before the registry is touched and the
outcome after; who comes back finds the intent and finishes it, or undoes it where the registry
refuses.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.catalogue import Catalogue, Model
from shared.domain.actor import LOOP, Actor
from shared.domain.audit import AuditEntry
from shared.domain.run import (
    PURPOSE,
    Lock,
    Purpose,
    Run,
    State,
    Trigger,
    run_id_of,
)
from shared.errors import DataError, NoChampion, NotFound, Refused
from shared.handlers.journal import Applied, Change, entry
from shared.handlers.steps import Steps, owns
from shared.ports import ModelVersion, Registry, Scorer, Snapshot, Windows

log = logging.getLogger(__name__)

LOCK_HOURS = 1
"""How long a promotion may hold its model; it takes seconds, and one that died is taken over."""
WAIT_SECONDS = 300.0
"""How long a promotion waits while another run holds the model."""
TRIAL_ROWS = 100
"""Rows that a version without a judgement of today must answer before it may serve. House rule."""
REPLACES = "replaces"
"""Where a run's facts hold the champion before, from the intent on; empty: there was none."""
PRODUCTION = "Production"

Card = Callable[[Model, Run, ModelVersion], Mapping[str, Any]]


def send_to_promotion(  # noqa: PLR0913 - a decision says why, by whom, on what grounds
    steps: Steps,
    run: Run,
    *,
    reason: str,
    actor: Actor = LOOP,
    context: Mapping[str, Any] | None = None,
    expect: Callable[[Run], bool] = lambda _: True,
) -> Applied:
    """Have a challenger promoted; does nothing if the run has moved on, or ``expect`` says no."""

    def decide(snapshot: Snapshot) -> Change | None:
        found, now = snapshot.run, steps.journal.clock.now()
        if found is None or found.state is not run.state or not expect(found):
            return None
        facts = {**found.facts, "approver": actor.name, "grounds": dict(context or {})}
        moved = found.to(
            State.PROMOTING, now, reason=reason, facts=facts, notified_at=None, due_at=None
        )
        noted = entry(moved, "run.promoting", now, context=dict(context or {}), actor=actor)
        return Change(run=moved, entries=(noted,))

    applied = steps.journal.apply(run.model, run.run_id, decide)
    if applied.changed and applied.run is not None:
        steps.send(applied.run)
    return applied


def new_promotion(  # noqa: PLR0913 - an operator's act says what, why, who
    steps: Steps,
    model: Model,
    *,
    version: str,
    purpose: Purpose,
    key: str,
    reason: str,
    actor: Actor,
) -> Run:
    """Begin a rollback or a bootstrap, or find the one with the same key."""
    now = steps.journal.clock.now()
    said = f"{purpose}: {actor.name} asked: {reason}"
    trigger = Trigger("manual", f"{purpose}:{key}", "", now, said, actor=actor.name)
    run_id = _named(model, purpose, key)

    def decide(snapshot: Snapshot) -> Change | None:
        if snapshot.run is not None:
            return None
        facts = {PURPOSE: str(purpose), "approver": actor.name}
        run = Run(
            model.name, run_id, State.PROMOTING, trigger, now, now,
            reason=said, version=version, facts=facts,
        )  # fmt: skip
        return Change(run=run, entries=(entry(run, f"run.{purpose}", now, actor=actor),))

    applied = steps.journal.apply(model.name, run_id, decide)
    if applied.run is None:
        raise AssertionError(run_id)  # the decision writes one where there is none
    if applied.run.state is State.PROMOTING:
        steps.send(applied.run)
    return applied.run


def find_promotion(steps: Steps, model: Model, purpose: Purpose, key: str) -> Run | None:
    """Give the rollback or bootstrap that was begun with a key, or None."""
    return steps.journal.store.snapshot(model.name, _named(model, purpose, key)).run


def _named(model: Model, purpose: Purpose, key: str) -> str:
    any_time = datetime.min.replace(tzinfo=UTC)  # no part of a run's name
    return run_id_of(model.name, Trigger("manual", f"{purpose}:{key}", "", any_time, ""))


@dataclass(frozen=True)
class Promote:
    """Carries promotions out."""

    catalogue: Catalogue
    steps: Steps
    registry: Registry
    windows: Windows
    scorer: Scorer
    write_card: Card | None = None

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
        serving = self._champion(run.model)
        if REPLACES not in run.facts:
            fault = self._fault(model, run, serving)
            if fault:
                self._retire(run)
                self._reject(run, fault)
                return
            intended = self._intend(run, serving)
            if intended is None:
                return
            run = intended
        elif serving not in (run.version, run.facts[REPLACES]):
            reason = f"the champion was changed to version {serving or 'none'} meanwhile"
            self._reject(run, reason)
            return
        self._act(model, run)

    def _act(self, model: Model, run: Run) -> None:
        try:
            self.registry.promote(run.model, run.version)
            version = self.registry.version(run.model, run.version)
            card = dict(self.write_card(model, run, version)) if self.write_card else {}
        except (NotFound, Refused, DataError) as error:
            self._undo(run)
            self._reject(run, f"could not be promoted, and everything is as before: {error}")
            return
        if run.purpose is Purpose.ROLLBACK:
            self._tell_displaced(run)
        self._done(run, card)

    def _champion(self, model: str) -> str:
        """Give the version that serves; empty where the registry says that none does."""
        try:
            return self.registry.champion(model).version
        except NoChampion:
            return ""

    def _fault(self, model: Model, run: Run, serving: str) -> str:
        """Say why the version may not become the champion, or nothing."""
        match run.purpose:
            case Purpose.PROMOTION:
                role = self.registry.challenger(run.model)
                if role is None or role.version != run.version:
                    now = f"version {role.version} is" if role else "nobody is"
                    return f"version {run.version} is not the challenger any more, {now}"
                return _other_champion(run, serving)
            case Purpose.ROLLBACK:
                before = self.registry.previous(run.model)
                if before is None or before.version != run.version:
                    return f"version {run.version} is not the champion before this one"
            case Purpose.BOOTSTRAP:
                if serving:
                    return f"version {serving} is the champion already"
        return self._trial(model, run)

    def _trial(self, model: Model, run: Run) -> str:
        """Have the version load and answer; give why it may not serve, or nothing."""
        try:
            version = self.registry.version(run.model, run.version)
            rows = self.windows.holdout(model, self.steps.journal.clock.now()).features
            answers = self.scorer.score(version, rows[-TRIAL_ROWS:]).predictions
        except (NotFound, DataError) as error:
            return f"version {run.version} does not answer: {error}"
        bad = sum(1 for value in answers.tolist() if value - value != 0)
        return f"{bad} of {len(answers)} answers are not finite numbers" if bad else ""

    def _intend(self, run: Run, serving: str) -> Run | None:
        def change(found: Run) -> tuple[Run, AuditEntry]:
            now = self.steps.journal.clock.now()
            kept = replace(found, updated_at=now, facts={**found.facts, REPLACES: serving})
            context = {REPLACES: serving, **self._grounds(found)}
            return kept, entry(
                kept,
                "model.promote",
                now,
                outcome="intent",
                context=context,
                from_stage=_from_stage(found),
                to_stage=PRODUCTION,
            )

        return self._owned(run, change, release=False)

    def _done(self, run: Run, card: Mapping[str, Any]) -> None:
        def change(found: Run) -> tuple[Run, AuditEntry]:
            now = self.steps.journal.clock.now()
            moved = found.to(State.PROMOTED, now, notified_at=None)
            context = {REPLACES: found.facts[REPLACES], **self._grounds(found), **card}
            return moved, entry(
                moved,
                "model.promoted",
                now,
                context=context,
                from_stage=_from_stage(found),
                to_stage=PRODUCTION,
            )

        self._owned(run, change, release=True)

    def _reject(self, run: Run, reason: str) -> None:
        def change(found: Run) -> tuple[Run, AuditEntry]:
            now = self.steps.journal.clock.now()
            moved = found.to(State.REJECTED, now, reason=reason[:2000], notified_at=None)
            return moved, entry(
                moved, "run.rejected", now, outcome="denied", context={"blocked": True}
            )

        self._owned(run, change, release=True)

    def _retire(self, run: Run) -> None:
        """Take the role from a challenger that is not promoted: its run is over."""
        if run.purpose is not Purpose.PROMOTION:
            return
        try:
            self.registry.retire(run.model, run.version)
        except (NotFound, Refused) as error:
            log.info("%s: version %s keeps its role: %s", run.model, run.version, error)

    def _undo(self, run: Run) -> None:
        """Put back the champion before, where a half-done promotion has moved it."""
        before = run.facts[REPLACES]
        if before and self._champion(run.model) != before:
            self.registry.promote(run.model, before)

    def _tell_displaced(self, run: Run) -> None:
        """Close the run whose version has stopped serving."""
        for other in self.steps.journal.store.runs(run.model):
            serving = other.state in (State.PROMOTED, State.LIVE)
            if serving and other.version == run.facts[REPLACES] and other.run_id != run.run_id:
                self._roll_back(other, run)

    def _roll_back(self, other: Run, run: Run) -> None:
        def decide(snapshot: Snapshot) -> Change | None:
            found, now = snapshot.run, self.steps.journal.clock.now()
            if found is None or found.state is not other.state:
                return None
            # the rollback's own run tells people; a notice nobody took no longer matters
            told = found.notified_at or now
            moved = found.to(
                State.ROLLED_BACK, now, reason=run.trigger.reason, notified_at=told, due_at=None
            )
            context: dict[str, object] = {"by": run.run_id, "back_to": run.version}
            noted = entry(
                moved,
                "model.rolled_back",
                now,
                context=context,
                from_stage=PRODUCTION,
                to_stage="Archived",
            )
            return Change(run=moved, entries=(noted,))

        self.steps.journal.apply(other.model, other.run_id, decide)

    def _owned(
        self, run: Run, change: Callable[[Run], tuple[Run, AuditEntry]], *, release: bool
    ) -> Run | None:
        """Write, if the run still promotes and has the model; None where it does not."""

        def decide(snapshot: Snapshot) -> Change | None:
            found = snapshot.run
            if found is None or found.state is not State.PROMOTING or not owns(snapshot, run):
                return None
            written, noted = change(found)
            free = Lock("", run.fence, self.steps.journal.clock.now()) if release else None
            return Change(written, free, (noted,))

        applied = self.steps.announced(self.steps.journal.apply(run.model, run.run_id, decide))
        return applied.run if applied.changed else None

    def _grounds(self, run: Run) -> dict[str, Any]:
        """Give what the audit's columns say of why and by whom."""
        return {"approver": run.facts.get("approver", LOOP.name), **run.facts.get("grounds", {})}


def _other_champion(run: Run, serving: str) -> str:
    """Say that the champion is not the one whom the challenger has beaten, or nothing."""
    beaten = str(run.facts.get("grounds", {}).get("champion_version", ""))
    if not beaten or beaten == serving:
        return ""
    return f"it has beaten version {beaten}, and version {serving or 'none'} serves now"


def _from_stage(run: Run) -> str:
    return {Purpose.PROMOTION: "Staging", Purpose.ROLLBACK: "Archived"}.get(run.purpose, "None")
