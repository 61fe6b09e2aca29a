"""A person decides on a promotion: whether this one may, and on what.

The decision is bound to the version and to the gate report that the person has seen. How it is put
on record and carried out is in ``decisions.py``.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from shared.catalogue import Catalogue
from shared.domain.actor import Actor
from shared.domain.run import Run, State
from shared.errors import BadInput, DataError, IllegalTransition, NotAllowed, NotFound
from shared.handlers.decisions import Decision, Decisions, until
from shared.handlers.request_retrain import ASKED_BY, find_model
from shared.handlers.steps import Steps
from shared.ports import EvidenceStore, Registry


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
        decision = _decision("approved", said, run.facts.get("grounds", {}))
        if decision.stands(run) and run.state in _APPROVED:
            self.decisions.carry_out(run)  # a worker may have died before it did
            return self._run(model_name, run_id)
        self._require_waiting(run)
        report = {"evidence_sha256": self._require_same(run, said)}
        decision = replace(decision, context={**decision.context, **report})
        return self._decided(run, decision)

    def reject(self, model_name: str, run_id: str, said: Said) -> Run:
        """Reject; raises as ``approve`` does, except that the one who asked may reject."""
        run = self._run(model_name, run_id)
        self._require_right(said.actor)
        decision = _decision("rejected", said, {})
        if decision.stands(run) and run.state is State.REJECTED:
            return run
        self._require_waiting(run)
        if said.version != run.version:
            raise BadInput("version", f"is {said.version}, the run's is {run.version}")
        return self._decided(run, decision)

    @property
    def decisions(self) -> Decisions:
        return Decisions(self.steps, self.registry)

    def _decided(self, run: Run, decision: Decision) -> Run:
        """Write the decision down, carry it out, and give the run as it then is."""
        self.decisions.carry_out(self.decisions.record(run, decision))
        return self._run(run.model, run.run_id)

    def _run(self, model_name: str, run_id: str) -> Run:
        model = find_model(self.catalogue, model_name)
        run = self.steps.journal.store.snapshot(model.name, run_id).run
        if run is None:
            raise NotFound(f"model {model.name!r} has no run {run_id}", subject=run_id)
        return run

    def _require_right(self, actor: Actor) -> None:
        if not actor.proven:
            needed = "an approval takes a person's Entra token, with an object id"
            raise NotAllowed(f"who asks is not proven: {needed}")
        if actor.kind != "user":
            raise NotAllowed("an application may not approve: a person must")
        if self.role not in actor.roles:
            raise NotAllowed(f"{actor.name} lacks the app role {self.role!r}")

    def _require_other(self, run: Run, actor: Actor) -> None:
        """Refuse the one who asked for the retrain, and whoever that cannot be said of.

        By id alone: one person may have several names.
        """
        if run.trigger.kind != "manual":
            return
        asked = str(run.facts.get(ASKED_BY, ""))
        if not asked:
            raise NotAllowed("who asked for this retrain is not known, so nobody is another person")
        if actor.object_id.casefold() == asked.casefold():
            raise NotAllowed(f"{actor.name} asked for this retrain: another person must approve")

    def _require_waiting(self, run: Run) -> None:
        if run.state is not State.AWAITING_APPROVAL:
            raise IllegalTransition(
                f"a run in {run.state} does not wait for approval", subject=run.run_id
            )
        if self.steps.journal.clock.now() >= until(run):
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


def _decision(word: str, said: Said, grounds: Mapping[str, Any]) -> Decision:
    """Say what a person has decided, with what the ledger keeps of who it was."""
    name = said.actor.name
    signed = {"approver": name, "approver_id": said.actor.object_id, "version": said.version}
    return Decision(
        "run.approved" if word == "approved" else "run.refused",
        said.actor,
        said.reason,
        f"{word} by {name}: {said.reason}",
        {**grounds, **signed},
    )
