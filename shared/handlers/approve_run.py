"""A person decides on a promotion: approve, reject, or let the time run out.

The decision is bound to the version and to the gate report that the person has seen, and is in the
ledger before anything is promoted.
"""

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from shared.catalogue import Catalogue
from shared.domain.actor import KEY_HOLDER, Actor
from shared.domain.run import Run, State
from shared.errors import (
    BadInput,
    DataError,
    IllegalTransition,
    NotAllowed,
    NotFound,
    Refused,
)
from shared.handlers.compare_champion import end_candidate
from shared.handlers.journal import Change, entry
from shared.handlers.promotion import send_to_promotion
from shared.handlers.request_retrain import ASKED_BY, find_model
from shared.handlers.steps import Steps
from shared.ports import EvidenceStore, Registry, Snapshot

UNTIL = "approval_until"
"""Where a run's facts hold when nobody may approve it any more, ISO time."""
DECIDED = "decided_by"
"""Where a run's facts hold the object id of who has decided."""


@dataclass(frozen=True)
class Said:
    """What a person says.

    Attributes:
        version: the version that the person has looked at.
        report: SHA-256 of the gate report that the person has looked at; empty: the run's own.
    """

    actor: Actor
    reason: str
    version: str
    report: str = ""


@dataclass(frozen=True)
class ApproveRun:
    """Takes decisions on promotions."""

    catalogue: Catalogue
    steps: Steps
    registry: Registry
    evidence: EvidenceStore
    role: str

    def approve(self, model_name: str, run_id: str, said: Said) -> Run:
        """Approve; the same person again is told how far it is.

        Raises:
            NotFound: no such model or run.
            NotAllowed: this person may not approve this promotion.
            BadInput: another version or report was looked at than the one to be promoted.
            IllegalTransition: it does not wait for approval, or no longer.
            DataError: the gate report is not what was judged.
        """
        run = self._run(model_name, run_id)
        self._require_right(said.actor)
        self._require_other(run, said.actor)
        if run.facts.get(DECIDED) == said.actor.object_id and run.state in _APPROVED:
            if run.state is State.AWAITING_APPROVAL:
                self._resume(run)  # a worker died between the decision and what follows
            return self._run(model_name, run_id)
        self._require_waiting(run)
        report = self._require_same(run, said)
        context = {**run.facts.get("grounds", {}), **_signed(said, report)}
        noted = self._write(run, "run.approved", said, context)
        applied = send_to_promotion(
            self.steps, noted, reason=f"approved by {said.actor.name}: {said.reason}",
            actor=said.actor, context=context, expect=_decided_by(said.actor),
        )  # fmt: skip
        return applied.run or noted

    def reject(self, model_name: str, run_id: str, said: Said) -> Run:
        """Reject; raises as ``approve`` does, except that the one who asked may reject."""
        run = self._run(model_name, run_id)
        self._require_right(said.actor)
        if run.facts.get(DECIDED) == said.actor.object_id and run.state is State.REJECTED:
            return run
        self._require_waiting(run)
        if said.version != run.version:
            raise BadInput("version", f"is {said.version}, the run's is {run.version}")
        noted = self._write(run, "run.refused", said, _signed(said, ""))
        self._retire(noted)
        reason = f"rejected by {said.actor.name}: {said.reason}"
        end_candidate(self.steps, noted, reason, _signed(said, ""))
        return self._run(model_name, run_id)

    def expire(self) -> int:
        """Reject what nobody has approved in time; gives how many."""
        return sum(self._expired(run) for run in self._waiting())

    def _waiting(self) -> list[Run]:
        store = self.steps.journal.store
        return [
            run
            for model in self.catalogue.models
            for run in store.runs(model.name)
            if run.state is State.AWAITING_APPROVAL
        ]

    def _expired(self, run: Run) -> bool:
        if DECIDED in run.facts:
            return self._resume(run)
        if self.steps.journal.clock.now() < _until(run):
            return False
        reason = f"nobody approved it before {_until(run):%Y-%m-%d %H:%M}Z"
        ended = end_candidate(
            self.steps, run, reason, {"expired": True}, expect=lambda now: DECIDED not in now.facts
        )
        if ended:
            self._retire(run)
        return ended

    def _resume(self, run: Run) -> bool:
        """Carry out a decision whose worker died after it was written."""
        if run.facts["approved"]:
            send_to_promotion(
                self.steps, run, reason=f"approved by {run.facts['approver']}",
                actor=Actor(run.facts["approver"], object_id=run.facts[DECIDED]),
                context=run.facts["grounds"],
            )  # fmt: skip
            return False
        self._retire(run)
        return end_candidate(self.steps, run, f"rejected by {run.facts['approver']}", {})

    def _retire(self, run: Run) -> None:
        try:
            self.registry.retire(run.model, run.version)
        except (NotFound, Refused):
            return  # it has no role to lose

    def _write(self, run: Run, action: str, said: Said, context: dict[str, Any]) -> Run:
        """Put the decision on record, for one person alone."""

        def decide(snapshot: Snapshot) -> Change | None:
            found, now = snapshot.run, self.steps.journal.clock.now()
            if found is None or found.state is not State.AWAITING_APPROVAL:
                return None
            if found.facts.get(DECIDED, said.actor.object_id) != said.actor.object_id:
                return None
            if DECIDED in found.facts and found.facts["approved"] != (action == "run.approved"):
                return None
            facts = {
                **found.facts, "grounds": context, "approver": said.actor.name,
                DECIDED: said.actor.object_id, "approved": action == "run.approved",
            }  # fmt: skip
            kept = replace(found, facts=facts, updated_at=now)
            noted = entry(kept, action, now, reason=said.reason, context=context, actor=said.actor)
            return Change(run=kept, entries=(noted,))

        applied = self.steps.journal.apply(run.model, run.run_id, decide)
        if not applied.changed or applied.run is None:
            raise IllegalTransition("somebody else has decided meanwhile", subject=run.run_id)
        return applied.run

    def _run(self, model_name: str, run_id: str) -> Run:
        model = find_model(self.catalogue, model_name)
        run = self.steps.journal.store.snapshot(model.name, run_id).run
        if run is None:
            raise NotFound(f"model {model.name!r} has no run {run_id}", subject=run_id)
        return run

    def _require_right(self, actor: Actor) -> None:
        if not actor.proven:
            raise NotAllowed("a key proves no name: an approval takes a person's Entra token")
        if actor.kind != "user":
            raise NotAllowed("an application may not approve: a person must")
        if self.role not in actor.roles:
            raise NotAllowed(f"{actor.name} lacks the app role {self.role!r}")

    def _require_other(self, run: Run, actor: Actor) -> None:
        """Refuse the one who asked for the retrain, and whoever that cannot be said of."""
        if run.trigger.kind != "manual":
            return
        if run.trigger.actor == KEY_HOLDER.name:
            raise NotAllowed("who asked for this retrain is not known, so nobody is another person")
        if actor.is_same(run.trigger.actor, str(run.facts.get(ASKED_BY, ""))):
            raise NotAllowed(f"{actor.name} asked for this retrain: another person must approve")

    def _require_waiting(self, run: Run) -> None:
        if run.state is not State.AWAITING_APPROVAL:
            raise IllegalTransition(
                f"a run in {run.state} does not wait for approval", subject=run.run_id
            )
        if self.steps.journal.clock.now() >= _until(run):
            raise IllegalTransition("the time to approve it is over", subject=run.run_id)

    def _hash(self, name: str) -> str:
        """Hash what is kept as evidence; empty where it is gone."""
        try:
            return hashlib.sha256(self.evidence.get(name)).hexdigest()
        except NotFound:
            return ""

    def _require_same(self, run: Run, said: Said) -> str:
        """Give the report's hash, once version and report are what was judged."""
        judged = run.facts.get("context", {})
        report = str(judged.get("evidence_sha256", ""))
        if said.version != run.version:
            raise BadInput("version", f"is {said.version}, the run's is {run.version}")
        if said.report and said.report != report:
            raise BadInput("evidence_sha256", f"is not the run's, which is {report or 'missing'}")
        if not report or self._hash(str(judged["evidence"])) != report:
            raise DataError("the gate report is not the one that was judged", subject=run.run_id)
        role = self.registry.challenger(run.model)
        if role is None or role.version != run.version:
            message = f"version {run.version} is not the challenger any more"
            raise IllegalTransition(message, subject=run.run_id)
        return report


_APPROVED = frozenset({State.AWAITING_APPROVAL, State.PROMOTING, State.PROMOTED, State.LIVE})


def _signed(said: Said, report: str) -> dict[str, Any]:
    seen = {"evidence_sha256": report} if report else {}
    return {"approver": said.actor.name, "approver_id": said.actor.object_id,
            "version": said.version, **seen}  # fmt: skip


def _decided_by(actor: Actor) -> Any:
    return lambda run: run.facts.get(DECIDED) == actor.object_id


def _until(run: Run) -> datetime:
    return datetime.fromisoformat(run.facts[UNTIL])
