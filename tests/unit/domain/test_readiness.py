"""The readiness checklist: each line passes on proof, and fails on its absence."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.actor import KEY_HOLDER
from shared.domain.endpoint import EndpointSignals
from shared.domain.readiness.checklist import CHECKS, check
from shared.domain.readiness.facts import (
    Audited,
    Facts,
    Link,
    Surroundings,
    Tried,
    Unknown,
    Version,
)
from shared.domain.readiness.line import Status
from shared.domain.readiness.watching import NEEDED
from shared.domain.retention import REGULATED, STANDARD
from shared.domain.run import Run, State, Suppression, Trigger
from shared.domain.tables import TABLES
from tests.fakes.samples import TRAINED, card_document, catalogue_of, model_document

NOW = datetime(2013, 8, 8, 6, tzinfo=UTC)
DAY = timedelta(days=1)
TAGS = TRAINED | {"model_card_sha256": "ab"}
CARD = {
    "run_id": "run-1", "card_sha256": "ab", "undeclared": "", "audit_id": "m/9",
    "rai_risk_tier": "low",
}  # fmt: skip
LOG = {"workspace_id": "00000000-0000-4000-8000-000000000009", "value": "flight-delay"}
REGULATED_MODEL = {
    "regulated": True,
    "gates": {"performance": {"floor": 0.5}, "fairness": {"attributes": ["region"]}},
}


def audit(action: str, days: float, **changes: Any) -> dict[str, Any]:
    at = (NOW - days * DAY).isoformat()
    return {
        "action": action, "event_ts": at, "run_id": "run-1", "model_version": "2",
        "reason": "because", "context": {}, "subject": "retrain-loop", "subject_type": "system",
        "retention_class": REGULATED.name,
    } | changes  # fmt: skip


def gate(name: str, verdict: str = "PASS") -> dict[str, Any]:
    return {"gate": name, "verdict": verdict, "judged_at": NOW - DAY, "reason": "0.9"}


def verdict(days: float, status: str = "NO_TRIGGER") -> dict[str, Any]:
    return {"run_timestamp": NOW - days * DAY - timedelta(hours=2), "status": status}


def served(days: float, hours: float | None = 0.0) -> dict[str, Any]:
    at = NOW - days * DAY - timedelta(hours=2)
    return {"run_timestamp": at, "value": hours, "threshold": 24.0, "note": "newest row: today"}


def run(run_id: str = "run-1", state: State = State.PROMOTED, **changes: Any) -> Run:
    trigger = Trigger("drift", run_id, "a-1", NOW, "drift")
    made = Run("flight-delay", run_id, state, trigger, NOW - DAY, NOW - DAY, version="2")
    return replace(made, notified_at=NOW - DAY, **changes)


def around(
    *rules: str, found: bool | None = True, told: str = "a file", notices: bool = True
) -> Surroundings:
    return Surroundings(rules, Link(found, told), notices)


def facts(**changes: Any) -> Facts:
    """Give what is known of a model that is ready."""
    schemas = {name: {c.name: c.type for c in TABLES[name].columns} for name in NEEDED}
    ledger = [
        audit("run.requested", 6, context={"alert_id": "a-1"}, reason="drift: rule fired"),
        audit("model.staged", 6, context={"gates": {"performance": {}}}),
        audit("model.promoted", 2),
        audit("run.approved", 2, subject_type="user", subject="ana@example.com"),
        audit("run.rollback", 1, run_id="run-2"),
        audit("model.promoted", 1, run_id="run-2", model_version="1"),
    ]
    parts: dict[str, Any] = {
        "now": NOW,
        "roles": {"aliases": True, "stages": False},
        "champion": Version("2", "Production", frozenset({"champion"}), TAGS),
        "inputs": ("distance",),
        "previous": None,
        "judgement": [gate("performance"), gate("fairness")],
        "card": CARD,
        "schemas": schemas,
        "checks": [verdict(back) for back in range(8)],
        "served": [served(back) for back in range(8)],
        "triggers": [],
        "ledger": ledger,
        "audit": Audited(6, 6, ()),
        "runs": [run()],
        "suppression": None,
        "endpoint": EndpointSignals(NOW - DAY, NOW, 1000, 1, 20.0, 40.0),
        "around": around("retrain-loop-drift"),
    }
    return Facts(**(parts | changes))


def report(model: dict[str, Any] | None = None, **changes: Any):
    document = model_document(**({"endpoint_log": LOG} | (model or {})))
    return check(catalogue_of(document).models[0], facts(**changes))


def line(name: str, model: dict[str, Any] | None = None, **changes: Any):
    return next(each for each in report(model, **changes).lines if each.name == name)


def tags(**changes: Any) -> Version:
    return Version("2", "Production", frozenset(), {**TAGS, **changes})


def test_a_model_with_proof_of_everything_is_ready():
    found = report()

    assert [(each.name, each.found) for each in found.lines if each.status is Status.FAIL] == []
    assert found.ready
    skipped = {each.name for each in found.lines if each.status is Status.SKIP}
    assert skipped == {
        *("Fairness", "Agreed by a person"),
        *("Code reviewed", "Cost dashboard", "Postmortem template"),
    }


def test_a_regulated_model_with_proof_of_everything_is_ready_and_nothing_of_it_is_skipped():
    found = report(REGULATED_MODEL)

    assert found.ready
    assert found.count(Status.SKIP) == 3
    agreed = line("Agreed by a person", REGULATED_MODEL)
    assert agreed.found == "ana@example.com, run.approved: because"


BROKEN: list[tuple[str, dict[str, Any], str]] = [
    ("Registry reachable", {"roles": {"aliases": False}}, "no aliases, stages or tags"),
    ("Champion serves", {"champion": Unknown("NoChampion: none")}, "not known: NoChampion: none"),
    ("Signature", {"inputs": ()}, "has no signature"),
    ("Signature", {"inputs": ("distance", "month")}, "month is not in the catalogue"),
    ("Signature", {"inputs": ("month",)}, "distance is not in the signature"),
    ("Training data version", {"champion": tags(training_rows="")}, "no tag training_rows"),
    ("Holdout kept apart", {"champion": tags(holdout_rule="")}, "no tag holdout_rule"),
    ("Code commit", {"champion": tags(git_sha="unknown")}, "git_sha: not known"),
    ("Code commit", {"champion": tags(branch="try")}, "trained by branch try"),
    ("Environment", {"champion": tags(requirements=" ")}, "no tag requirements"),
    ("All gates passed", {"judgement": []}, "version 2 was never judged"),
    ("All gates passed", {"judgement": [gate("a"), gate("b", "ERROR")]}, "b ERROR"),
    ("Model card", {"card": None}, "version 2 has no card"),
    ("Model card", {"champion": tags(model_card_sha256="cd")}, "does not carry the card"),
    ("Model card", {"card": CARD | {"run_id": "run-0"}}, "its newest card is of run-0"),
    ("Model card", {"card": CARD | {"undeclared": "limits"}}, "does not declare limits"),
    ("Tables and schemas", {"schemas": dict.fromkeys(NEEDED)}, "ml_drift_metrics is not there"),
    ("Tables and schemas", {"schemas": {name: {} for name in NEEDED}}, "run_id is missing"),
    ("Drift checked daily", {"checks": []}, "no conclusive check on 2013-08-01"),
    ("Drift checked daily", {"checks": [verdict(b) for b in range(9) if b != 3]}, "2013-08-05"),
    (
        "Drift checked daily",
        {"checks": [verdict(b, "UNKNOWN" if b == 3 else "TRIGGER") for b in range(9)]},
        "no conclusive check on 2013-08-05",
    ),
    ("Served daily", {"served": []}, "no check has looked"),
    ("Served daily", {"served": [served(1), served(0, 48.0)]}, "2013-08-08: newest row: today"),
    ("Served daily", {"served": [served(1, None), served(0)]}, "2013-08-07"),
    ("No open trigger", {"triggers": [{"trigger_id": "t", "status": "PENDING"}]}, "t is PENDING"),
    ("Alert rule", {"around": around()}, "no enabled rule fires"),
    ("Alert arrived", {"ledger": [audit("run.requested", 1)]}, "no alert in the audit"),
    (
        "Alert arrived",
        {"ledger": [audit("run.requested", 31, context={"alert_id": "a"})]},
        "no alert in the audit since 2013-07-09",
    ),
    ("Retrain tried", {"ledger": [audit("run.rejected", 1)]}, "no retrain was judged"),
    ("Retrain budget left", {"runs": [run(str(n), starts=1) for n in range(10)]}, "10 of 10"),
    (
        "No suppression",
        {"suppression": Suppression(NOW + DAY, "holidays", "ana", NOW)},
        "ana suppressed it until 2013-08-09 06:00Z: holidays",
    ),
    ("Endpoint", {"endpoint": EndpointSignals(NOW, NOW, 0, 0, None, None)}, "had no request"),
    ("Endpoint", {"endpoint": EndpointSignals(NOW, NOW, 9, 0, 9.0, 101.0)}, "p99 101.0 ms"),
    ("Endpoint", {"endpoint": EndpointSignals(NOW, NOW, 9, 1, 9.0, 9.0)}, "1 of 9 requests"),
    ("Rollback tried", {"ledger": []}, "no champion before this one"),
    (
        "Rollback tried",
        {"ledger": [], "previous": Tried("1", 0, "does not answer: gone")},
        "version 1, the champion before, does not answer: gone",
    ),
    ("Audit holds", {"audit": Audited(6, 6, ("row 3 was changed",))}, "row 3 was changed"),
    ("Audit holds", {"audit": Audited(6, 5, ())}, "1 of 6 rows are not in the table"),
    ("Audit holds", {"audit": Audited(0, 0, ())}, "no row of this model"),
    ("Audit kept", {"ledger": []}, "no row of this model"),
    ("Audit kept", {"ledger": [audit("x", 1, retention_class="none")]}, "1 of 1 rows are not kept"),
    ("Cost tags", {"champion": tags(cost_center="cc-8")}, "cost_center is cc-8, not cc-7"),
    ("Cost tags", {"champion": tags(intent="")}, "intent is missing"),
    ("Runbook", {"around": around(found=False, told="no such file")}, "no such file"),
    ("Notification channel", {"around": around(notices=False)}, "the log alone"),
    ("On-call told", {"runs": []}, "no run has promoted"),
    ("On-call told", {"runs": [replace(run(), notified_at=None)]}, "nobody was told of run-1"),
    ("On-call told", {"ledger": [audit("notice.failed", 1)]}, "nobody was told of run-1"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "changes", "told"), BROKEN, ids=[f"{name}: {told}" for name, _, told in BROKEN]
)
def test_a_line_without_its_proof_fails_and_says_why(name: str, changes: Any, told: str):
    found = line(name, **changes)

    assert (found.status, told in found.found) == (Status.FAIL, True), found
    assert not report(**changes).ready


DECLARED: list[tuple[str, dict[str, Any], Status, str]] = [
    ("Owner and contacts", {"card": card_document(contacts=[])}, Status.FAIL, "contacts: none"),
    ("Owner and contacts", {"owner": ""}, Status.FAIL, "owner: nobody"),
    ("Runbook", {"runbook": ""}, Status.FAIL, "names no runbook"),
    ("Endpoint", {"endpoint_log": None}, Status.SKIP, "no endpoint is declared"),
    (
        "No suppression",
        {"policy": {"quiet": [{"start": "2013-08-01T00:00Z", "end": "2013-08-09T00:00Z",
                               "reason": "fair"}]}},
        Status.FAIL,
        "quiet until 2013-08-09 00:00: fair",
    ),
    ("Retrain trigger defined", {"policy": {"schedule": {"cron": "0 3 1 * *"}}}, Status.PASS,
     "drift alert, cron 0 3 1 * *, rows +10%"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "model", "status", "told"), DECLARED)
def test_what_the_catalogue_declares_counts(name: str, model: Any, status: Status, told: str):
    found = line(name, model)

    assert (found.status, told in found.found) == (status, True), found


def test_a_model_that_nothing_ever_retrains_is_not_ready():
    found = line(
        "Retrain trigger defined",
        {"policy": {"schedule": {"volume_growth": None}}},
        around=around(),
    )

    assert found.status is Status.FAIL


def test_an_endpoint_whose_requests_nobody_logs_is_not_ready():
    fabric = {
        "workspace_id": "00000000-0000-4000-8000-000000000001",
        "pipeline_id": "00000000-0000-4000-8000-000000000002",
        "model_id": "00000000-0000-4000-8000-000000000003",
    }

    found = line("Endpoint", {"endpoint_log": None, "fabric": fabric}, endpoint=None)

    assert (found.status, found.found) == (
        Status.FAIL,
        "the endpoint's requests are logged nowhere",
    )


@pytest.mark.parametrize("verdict_", ["SKIP", "FAIL", "ERROR", None])
def test_a_regulated_model_without_a_pass_in_fairness_is_not_ready(verdict_: str | None):
    rows = [gate("performance"), *([gate("fairness", verdict_)] if verdict_ else [])]

    assert line("Fairness", REGULATED_MODEL, judgement=rows).status is Status.FAIL


def test_a_regulated_model_that_no_person_has_agreed_to_is_not_ready():
    found = line("Agreed by a person", REGULATED_MODEL, ledger=[audit("model.promoted", 1)])

    assert (found.status, found.found) == (Status.FAIL, "no person has agreed to run-1")


def test_asking_for_a_retrain_is_no_agreement_to_what_comes_of_it():
    rows = [audit("run.requested", 1, subject_type="user", subject="ana@example.com")]

    found = line("Agreed by a person", REGULATED_MODEL, ledger=rows)

    assert (found.status, found.found) == (Status.FAIL, "no person has agreed to run-1")


@pytest.mark.parametrize(
    "who",
    [
        {"subject_type": "user", "subject": KEY_HOLDER.name},
        {"subject_type": "service_principal", "subject": "deployment"},
    ],
    ids=["a function key", "an application"],
)
def test_whoever_is_no_named_person_cannot_agree(who: dict[str, str]):
    found = line("Agreed by a person", REGULATED_MODEL, ledger=[audit("run.bootstrap", 1, **who)])

    assert found.status is Status.FAIL
    assert found.found == f"run.bootstrap was asked for by {who['subject']}, which names no person"


def test_where_approval_is_asked_for_by_the_catalogue_it_is_looked_for():
    found = line("Agreed by a person", {"approval": {"mode": "required"}})

    assert (found.status, found.found) == (Status.PASS, "ana@example.com, run.approved: because")


def test_a_regulated_model_s_rows_must_be_kept_for_seven_years():
    rows = [audit("run.requested", 1, retention_class=STANDARD.name)]

    assert line("Audit kept", ledger=rows).status is Status.PASS
    assert "not kept for 2555 days" in line("Audit kept", REGULATED_MODEL, ledger=rows).found


def test_a_runbook_behind_a_sign_in_is_left_to_people():
    behind = around(found=None, told="asks for a sign-in")

    assert line("Runbook", around=behind).status is Status.SKIP


def test_a_champion_before_that_answers_stands_for_a_rehearsal():
    found = line("Rollback tried", ledger=[], previous=Tried("1", 100, ""))

    assert (found.status, "version 1 loads and answers 100 rows" in found.found) == (
        Status.PASS,
        True,
    )


def test_a_rollback_that_was_asked_for_and_not_carried_out_is_no_rehearsal():
    rows = [audit("run.rollback", 1, run_id="run-2"), audit("model.promoted", 1)]

    assert line("Rollback tried", ledger=rows).status is Status.FAIL


@pytest.mark.parametrize("hour", [1, 3, 23])
def test_today_s_check_is_asked_for_only_once_it_has_come(hour: int):
    now = NOW.replace(hour=hour)
    checks = [verdict(back) for back in range(8)]
    seen = [row for row in checks if row["run_timestamp"] <= now]

    assert line("Drift checked daily", now=now, checks=seen).status is Status.PASS


@pytest.mark.parametrize("name", [f for f in Facts.__annotations__ if f not in ("now", "around")])
def test_what_is_not_known_is_never_a_pass(name: str):
    whole, broken = report(REGULATED_MODEL), report(REGULATED_MODEL, **{name: Unknown("away")})

    if name == "previous":  # nobody has to ask: a rollback of late has shown it
        assert broken.ready
        broken = report(REGULATED_MODEL, previous=Unknown("away"), ledger=[])
    changed = [b for a, b in zip(whole.lines, broken.lines, strict=True) if a != b]
    assert any(each.found == "not known: away" for each in changed)
    assert not broken.ready


@given(st.sets(st.sampled_from([name for name in Facts.__annotations__ if name != "now"])))
def test_whatever_is_unknown_every_line_is_answered_once(names: set[str]):
    unknown = Unknown("away")
    dark = Surroundings(unknown, Link(None, "away"), notices=False)
    changes = {name: dark if name == "around" else unknown for name in names}

    found = report(**changes)

    assert [each.name for each in found.lines] == [each.name for each in CHECKS]
    assert all(each.found for each in found.lines)
    assert found.ready == (not any(each.status is Status.FAIL for each in found.lines))


def test_a_reason_for_not_knowing_is_told_once_and_pointed_to_by_the_other_lines():
    found = {each.name: each.found for each in report(champion=Unknown("away")).lines}

    assert found["Champion serves"] == "not known: away"
    assert found["Cost tags"] == "not known, see 'Champion serves'"
    assert sum("away" in text for text in found.values()) == 1


def test_the_document_holds_what_the_lines_say():
    found = report()

    document = found.document()

    assert document["ready"] is True
    assert document["checked_at"] == "2013-08-08T06:00:00Z" or document["checked_at"].startswith(
        "2013-08-08T06:00:00"
    )
    assert sum(document["counts"].values()) == len(document["lines"]) == len(CHECKS)
