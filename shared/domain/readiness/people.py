"""Readiness of the people's side: audit, rollback, owner, runbook, channel, agreement, budget."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from shared.domain.actor import KEY_HOLDER
from shared.domain.readiness.facts import known, promotion
from shared.domain.readiness.line import Answer, failed, listed, passed, skipped
from shared.domain.readiness.watching import when
from shared.domain.retention import CLASSES, REGULATED, STANDARD

_AGREEMENTS = frozenset({"run.approved", "run.rollback", "run.bootstrap"})
"""Acts by which somebody answers for the version; asking for a retrain is none."""

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from typing import Any

    from shared.catalogue import Model
    from shared.domain.readiness.facts import Facts


def audit_holds(_: Model, facts: Facts) -> Answer:
    found = known(facts.audit)
    if not found.rows:
        return failed("the ledger has no row of this model", "nothing has gone by the loop yet")
    if found.breaches:
        return failed(listed(list(found.breaches), most=2), "loop audit verify; keep all stores")
    if found.projected < found.rows:
        told = f"{found.rows - found.projected} of {found.rows} rows are not in the table yet"
        return failed(told, "see the queue audit-rows and its poison queue")
    return passed(f"{found.rows} rows, all in ml_promotion_audit, hashes and evidence hold")


def audit_kept(model: Model, facts: Facts) -> Answer:
    """Ask of every row for a class that is kept for as long as the model's must be."""
    wanted = REGULATED if model.regulated else STANDARD
    days = {each.name: each.days for each in CLASSES}
    ledger = known(facts.ledger)
    if not ledger:
        return failed("the ledger has no row of this model", "nothing has gone by the loop yet")
    short = [row for row in ledger if days.get(row["retention_class"], 0) < wanted.days]
    if short:
        told = f"{len(short)} of {len(ledger)} rows are not kept for {wanted.days} days"
        return failed(told, "they were written before the model was regulated: docs/audit.md")
    return passed(f"{len(ledger)} rows, each in a class of {wanted.days} days or more")


def rollback(model: Model, facts: Facts) -> Answer:
    """Ask for a rollback of late, or for a champion before that loads and answers."""
    since = facts.now - timedelta(days=model.readiness.rollback_days)
    last = rehearsal(known(facts.ledger), since)
    if last is not None:
        return passed(f"back to version {last['model_version']} on {when(last):%Y-%m-%d %H:%M}Z")
    previous = known(facts.previous)
    if previous is None:
        remedy = "promote a second version, or keep the one before"
        return failed("there is no champion before this one to go back to", remedy)
    if previous.fault:
        told = f"version {previous.version}, the champion before, {previous.fault}"
        return failed(told, "keep the packages and files that it needs")
    return passed(
        f"not since {since:%Y-%m-%d}, but version {previous.version} loads and answers "
        f"{previous.rows} rows"
    )


def rehearsal(ledger: Sequence[Mapping[str, Any]], since: datetime) -> Mapping[str, Any] | None:
    """Give the last row of a rollback that was carried out since a moment."""
    asked = {row["run_id"] for row in ledger if row["action"] == "run.rollback"}
    rows = [
        row
        for row in ledger
        if row["action"] == "model.promoted" and row["run_id"] in asked and when(row) >= since
    ]
    return rows[-1] if rows else None


def owner(model: Model, _: Facts) -> Answer:
    contacts = listed(list(model.card.contacts))
    if not model.owner or not contacts:
        told = "nobody" if not model.owner else model.owner
        return failed(f"owner: {told}; contacts: {contacts or 'none'}", "see card: in models.yaml")
    return passed(f"{model.owner}; contacts: {contacts}")


def runbook(model: Model, facts: Facts) -> Answer:
    found = facts.around.runbook
    if not model.runbook:
        return failed("models.yaml names no runbook", "set runbook: to a file or an address")
    if found.found is None:
        return skipped(f"{model.runbook}: {found.told}")
    return (passed if found.found else failed)(f"{model.runbook}: {found.told}")


def notices(_: Model, facts: Facts) -> Answer:
    if not facts.around.notices:
        return failed("notices go to the log alone", "set TEAMS_WEBHOOK_URL")
    unheard = [row for row in known(facts.ledger) if row["action"] == "notice.failed"]
    told = f"; {len(unheard)} notices ever failed" if unheard else ""
    return passed(f"a Teams webhook is set{told}")


def told(_: Model, facts: Facts) -> Answer:
    """Ask that people were told of the version that serves."""
    run = promotion(facts)
    if run is None:
        return failed("no run has promoted the version that serves", "bootstrap it by the loop")
    failures = {row["run_id"] for row in known(facts.ledger) if row["action"] == "notice.failed"}
    if run.notified_at is None or run.run_id in failures:
        return failed(f"nobody was told of {run.run_id}", "see the channel, then tell them")
    return passed(f"told of {run.run_id} on {run.notified_at:%Y-%m-%d %H:%M}Z")


def agreed(model: Model, facts: Facts) -> Answer:
    """Ask for a person's word on the version that serves, where one is needed."""
    if not model.approval_required:
        return skipped("the model is neither regulated nor of public safety, nor asks for approval")
    run = promotion(facts)
    if run is None:
        return failed("no run has promoted the version that serves", "bootstrap it by the loop")
    rows = [
        row
        for row in known(facts.ledger)
        if row["run_id"] == run.run_id and row["action"] in _AGREEMENTS
    ]
    if not rows:
        return failed(f"no person has agreed to {run.run_id}", "have it approved: docs/approval.md")
    last = rows[-1]
    if last["subject_type"] != "user" or last["subject"] == KEY_HOLDER.name:
        told = f"{last['action']} was asked for by {last['subject']}, which names no person"
        return failed(told, "have callers prove their names: docs/security.md")
    return passed(f"{last['subject']}, {last['action']}: {last['reason']}")


def unsuppressed(model: Model, facts: Facts) -> Answer:
    found, now = known(facts.suppression), facts.now
    if found is not None and found.holds(now):
        told = f"{found.actor} suppressed it until {found.until:%Y-%m-%d %H:%M}Z: {found.reason}"
        return failed(told, f"DELETE /api/models/{model.name}/suppress")
    quiet = [each for each in model.policy.quiet if each.start <= now < each.end]
    if quiet:
        told = f"the calendar keeps it quiet until {quiet[0].end:%Y-%m-%d %H:%M}: {quiet[0].reason}"
        return failed(told, "see policy.quiet in models.yaml")
    return passed("triggers count")


def budget(model: Model, facts: Facts) -> Answer:
    allowed = model.policy.budget
    since = facts.now - timedelta(days=allowed.days)
    runs = known(facts.runs)
    spent = sum(1 for run in runs if run.starts and run.created_at > since)
    told = f"{spent} of {allowed.runs} runs in {allowed.days} days are spent"
    if spent >= allowed.runs:
        return failed(told, "find out why it retrains so often before policy.budget is raised")
    return passed(told)


def by_hand(what: str) -> Answer:
    return skipped(f"people say so: {what}")
