"""Begins what changes a champion: a retrain's promotion, a rollback, a bootstrap.

What may go in here: runs that come to promote and their message. ``promotion.py`` carries them out.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from shared.catalogue import Model
from shared.domain.actor import LOOP, Actor
from shared.domain.run import PURPOSE, Purpose, Run, State, Trigger, run_id_of
from shared.handlers.journal import Applied, Change, entry
from shared.handlers.steps import Steps
from shared.ports import Snapshot


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
