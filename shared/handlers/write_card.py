"""Use case: write the model card of a version that has become the champion.

A promotion is never undone for its card. What may pass is tried again with the promotion; what is
refused, or does not pass in time, is recorded, told to people, and found by the readiness check.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from shared.catalogue import Model
from shared.domain.actor import LOOP
from shared.domain.card import (
    AUDIT_TAG,
    JSON_FILE,
    SHA256_TAG,
    TABLE,
    TEXT_FILE,
    Issue,
    Judgement,
    Subject,
    card_of,
    json_of,
    row_of,
)
from shared.domain.card_text import text_of
from shared.domain.run import Run, State
from shared.errors import DataError, LoopError, NotFound
from shared.handlers.journal import Journal
from shared.handlers.promotion_record import REPLACES
from shared.ports import EvidenceStore, ModelVersion, Notice, Notifier, Registry, Tables

log = logging.getLogger(__name__)

PATIENCE = timedelta(minutes=30)
"""How long after its intent a promotion waits for its card. House rule: the sweeper's second try
falls into it, and the model's lock outlives it."""
NEAR = 200
"""Rows at a chain's end among which an intent is looked for first; the whole chain is next."""


@dataclass(frozen=True)
class WriteCard:
    """Writes cards: to the table, then to the version's files and tags.

    Attributes:
        schedule: NCRONTAB of the drift check, UTC.
        git_sha: the deployed commit of the app.
    """

    journal: Journal
    registry: Registry
    tables: Tables
    evidence: EvidenceStore
    notifier: Notifier
    schedule: str
    git_sha: str

    def __call__(self, model: Model, run: Run, version: ModelVersion) -> Mapping[str, Any]:
        """Write the card of a promotion; gives what goes into the audit's context.

        Safe to repeat: the first card of a run is the one that stands.

        Raises:
            Unavailable, Conflict: something did not answer, and may the next time; not any more
                once the promotion has waited for ``PATIENCE``.
        """
        intent = self._intent(run)
        if intent is None:
            return self._gave_up(model, version, ["the ledger has no intent to promote it"])
        at = datetime.fromisoformat(intent["event_ts"])
        try:
            return self._written(model, run, version, intent)
        except LoopError as error:
            if error.retry and self.journal.clock.now() - at < PATIENCE:
                raise
            return self._gave_up(model, version, [str(error)])
        except Exception as error:
            # a card decides nothing: a defect in it must not keep the promotion open for ever
            log.exception("%s version %s: the card could not be made", model.name, version.version)
            return self._gave_up(model, version, [f"a defect, {type(error).__name__}: see the log"])

    def again(self, model: Model) -> Mapping[str, Any]:
        """Write the champion's card once more, where its promotion could not.

        Raises:
            NoChampion: nothing serves.
            NotFound: no run of the ledger has made the champion one.
        """
        version = self.registry.champion(model.name)
        served = (State.PROMOTED, State.LIVE, State.ROLLED_BACK)
        runs = self.journal.store.runs(model.name, states=served)
        for run in reversed([run for run in runs if run.version == version.version]):
            intent = self._intent(run)
            if intent is not None:
                return self._written(model, run, version, intent)
        message = f"{model.name}: no run has promoted version {version.version}"
        raise NotFound(message, subject=model.name)

    def _intent(self, run: Run) -> dict[str, Any] | None:
        store = self.journal.store
        for after in (max(0, store.head(run.model).sequence - NEAR), 0):
            rows = [row for row in store.chain(run.model, after=after) if _is_intent(row, run)]
            if rows:
                return rows[-1]
        return None

    def _written(
        self, model: Model, run: Run, version: ModelVersion, intent: Mapping[str, Any]
    ) -> dict[str, Any]:
        text = self._in_table(model, run, version, intent)
        sha256, card = _sha256(text), json.loads(text)
        tags = {SHA256_TAG: sha256, AUDIT_TAG: card["issued"]["audit_id"]}
        name, number = model.name, version.version
        troubles = _tried(
            lambda: self.registry.attach(name, number, JSON_FILE, text.encode()),
            lambda: self.registry.attach(name, number, TEXT_FILE, text_of(card).encode()),
            lambda: self.registry.annotate(name, number, tags),
        )
        if troubles:
            return self._gave_up(model, version, troubles, sha256)
        return {"model_card": {"sha256": sha256, "undeclared": card["undeclared"]}}

    def _in_table(
        self, model: Model, run: Run, version: ModelVersion, intent: Mapping[str, Any]
    ) -> str:
        """Append the card's row and give the card as JSON: of one that is there, that one's."""
        card = card_of(
            model,
            self._issue(run, intent),
            Subject(version.version, version.run_id, version.source, version.tags),
            self._judgement(run),
            self.schedule,
        )
        text = json_of(card)
        row = row_of(card, text, _sha256(text), datetime.fromisoformat(intent["event_ts"]))
        if self.tables.append(TABLE, [row], writer=f"card:{run.run_id}", batch=1):
            return text
        rows = self.tables.read(TABLE, {"model_name": model.name, "run_id": run.run_id})
        if not rows:
            raise DataError(f"{TABLE} has lost the card of {run.run_id}", subject=run.run_id)
        return str(rows[0]["model_card_json"])

    def _issue(self, run: Run, intent: Mapping[str, Any]) -> Issue:
        return Issue(
            at=datetime.fromisoformat(intent["event_ts"]),
            audit_id=intent["audit_id"],
            run_id=run.run_id,
            purpose=str(run.purpose),
            replaces=str(run.facts.get(REPLACES, "")),
            reason=intent["reason"],
            approver=str(run.facts.get("approver", LOOP.name)),
            grounds=run.facts.get("grounds", {}),
            git_sha=self.git_sha,
        )

    def _judgement(self, run: Run) -> Judgement:
        """Give what the gates said of the version: in this run, or in the one that made it."""
        context = _judged(run) or self._judged_before(run)
        if not context:
            return Judgement(fault="no run has put this version through the gates")
        name, sha256 = str(context["evidence"]), str(context.get("evidence_sha256", ""))
        try:
            content = self.evidence.get(name)
        except NotFound:
            return Judgement(fault=f"the gate report {name} is gone")
        if hashlib.sha256(content).hexdigest() != sha256:
            return Judgement(fault=f"the gate report {name} is not the one that was judged")
        return Judgement(json.loads(content), "", name, sha256)

    def _judged_before(self, run: Run) -> Mapping[str, Any]:
        runs = reversed(self.journal.store.runs(run.model))
        found = (_judged(each) for each in runs if each.version == run.version)
        return next((each for each in found if each), {})

    def _gave_up(
        self, model: Model, version: ModelVersion, troubles: list[str], sha256: str = ""
    ) -> dict[str, Any]:
        """Put on record what could not be written, and tell people.

        That they could not be told is only logged: the readiness check finds the card missing.
        """
        title = f"{model.name} version {version.version} serves without a whole model card"
        told = "; ".join(troubles)[:1000]
        log.error("%s: %s", title, told)
        text = f"{told}. Write it again with: loop ready {model.name} --write-card"
        try:
            self.notifier.send(Notice(title, text, {"Owner": model.owner}, model.runbook))
        except LoopError:
            log.exception("nobody could be told that a model card is missing")
        return {"model_card": {"sha256": sha256, "trouble": told}}


def _judged(run: Run) -> Mapping[str, Any]:
    """Give where a run has its gate report; nothing where it was not judged."""
    context: Mapping[str, Any] = run.facts.get("context", {})
    return context if context.get("evidence") else {}


def _is_intent(row: Mapping[str, Any], run: Run) -> bool:
    return (row["action"], row["run_id"]) == ("model.promote", run.run_id)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _tried(*steps: Callable[[], None]) -> list[str]:
    """Take each step whatever became of the others; gives why some will never succeed."""
    troubles = []
    for step in steps:
        try:
            step()
        except LoopError as error:
            if error.retry:
                raise
            troubles.append(str(error))
    return troubles
