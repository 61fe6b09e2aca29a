"""The model card: what a version is for, what it was judged by, and how it is watched.

Pure: everything is given, and the card is plain JSON types. What nobody has declared, and what the
version does not say of itself, is named as such; nothing is made up.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from shared.domain.audit import timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from shared.catalogue import Model

TABLE = "lh_gold.ml_model_cards"
JSON_FILE = "model_card.json"
TEXT_FILE = "model_card.md"
SHA256_TAG = "model_card_sha256"
"""The version's tag with the hash of its card."""
AUDIT_TAG = "model_card_audit_id"
SCHEMA_VERSION = 1

_PERFORMANCE, _SLICES, _FAIRNESS = "performance", "slices", "fairness"
_INTERVAL = ("low", "high")
_TRAINING = ("table", "version", "rows", "start", "end")
_HOLDOUT = ("table", "version", "rule")
_COUNTS = frozenset({"rows", "version"})
_TASK_LIMITS = {
    "regression": ("rmse_increase", "mape_increase"),
    "classification": ("auc_decrease", "accuracy_decrease", "brier_increase"),
}


@dataclass(frozen=True)
class Issue:
    """Why the card is written: a version becomes the champion.

    Attributes:
        at: when the intent was written, UTC.
        audit_id: the intent in the ledger.
        purpose: promotion, rollback or bootstrap.
        replaces: the champion before, empty where there was none.
        grounds: the numbers behind the decision, as the ledger has them.
        git_sha: the deployed commit of the app.
    """

    at: datetime
    audit_id: str
    run_id: str
    purpose: str
    replaces: str
    reason: str
    approver: str
    grounds: Mapping[str, Any] = field(default_factory=dict)
    git_sha: str = ""


@dataclass(frozen=True)
class Subject:
    """The version, as the registry knows it."""

    version: str
    run_id: str
    source: str
    tags: Mapping[str, str]


@dataclass(frozen=True)
class Judgement:
    """What the gates said of the version.

    Attributes:
        report: the gate report (``domain.gates.rows.report``); empty where there is none.
        fault: why there is none, for a reader.
        name, sha256: the report's place in the evidence, and its hash.
    """

    report: Mapping[str, Any] = field(default_factory=dict)
    fault: str = ""
    name: str = ""
    sha256: str = ""


def card_of(
    model: Model, issue: Issue, subject: Subject, judgement: Judgement, schedule: str
) -> dict[str, Any]:
    """Give the card in JSON types; the same facts give the same card.

    ``schedule`` is the NCRONTAB of the drift check, UTC.
    """
    said = model.card
    return {
        "schema_version": SCHEMA_VERSION,
        "model": _model(model, subject),
        "issued": _issued(issue),
        "purpose": said.purpose,
        "intended_use": list(said.intended_use),
        "out_of_scope": list(said.out_of_scope),
        "limits": list(said.limits),
        "contacts": list(said.contacts),
        "undeclared": list(said.undeclared),
        "data": _data(model, subject),
        "judgement": _judgement(judgement),
        "metrics": _metrics(judgement),
        "slices": _slices(judgement),
        "fairness": _fairness(model, judgement),
        "monitoring": _monitoring(model, schedule),
        "not_known": _not_known(subject, judgement),
    }


def json_of(card: Mapping[str, Any]) -> str:
    """Write the card as it is stored and hashed: in its own order, which people read."""
    return json.dumps(card, ensure_ascii=False, allow_nan=False)


def row_of(card: Mapping[str, Any], text: str, sha256: str, at: datetime) -> dict[str, Any]:
    """Give the card's row in ``lh_gold.ml_model_cards``; ``text`` is the card as it is hashed."""
    return {
        "model_name": card["model"]["name"],
        "model_version": card["model"]["version"],
        "audit_id": card["issued"]["audit_id"],
        "audit_ts": at,
        "rai_risk_tier": card["model"]["risk_tier"] or None,
        "model_card_json": text,
        "run_id": card["issued"]["run_id"],
        "card_sha256": sha256,
        "undeclared": ", ".join(card["undeclared"]),
        "schema_version": SCHEMA_VERSION,
    }


def _model(model: Model, subject: Subject) -> dict[str, Any]:
    return {
        "name": model.name,
        "version": subject.version,
        "description": model.description,
        "task": model.task,
        "domain": model.domain,
        "owner": model.owner,
        "cost_center": model.cost_center,
        "runbook": model.runbook,
        "regulated": model.regulated,
        "public_safety": model.public_safety,
        "approval_required": model.approval_required,
        "risk_tier": model.card.risk_tier,
        "training_run_id": subject.run_id,
        "source": subject.source,
    }


def _issued(issue: Issue) -> dict[str, Any]:
    return {
        "at": timestamp(issue.at),
        "audit_id": issue.audit_id,
        "run_id": issue.run_id,
        "purpose": issue.purpose,
        "replaces": issue.replaces,
        "reason": issue.reason,
        "approver": issue.approver,
        "grounds": dict(issue.grounds),
        "app_git_sha": issue.git_sha,
    }


def _data(model: Model, subject: Subject) -> dict[str, Any]:
    tags = subject.tags
    training = {"table": "training_data_table", "version": "training_data_version"}
    return {
        "training": {
            name: _said(tags, training.get(name, f"training_{name}"), name) for name in _TRAINING
        },
        "holdout": {name: _said(tags, f"holdout_{name}", name) for name in _HOLDOUT},
        "features": [{"name": each.name, "kind": each.kind} for each in model.features],
        "target": model.columns.actual,
        "code": {name: tags.get(name) for name in ("git_sha", "branch", "author", "intent")},
        "requirements": tags.get("requirements", "").split(),
    }


def _said(tags: Mapping[str, str], tag: str, name: str) -> str | int | None:
    """Give what a tag says, a count as a number; None where the version does not say."""
    text = tags.get(tag)
    return int(text) if text and name in _COUNTS and text.isdecimal() else text


def _judgement(judgement: Judgement) -> dict[str, Any]:
    report = judgement.report
    return {
        "verdict": report.get("verdict"),
        "fault": judgement.fault,
        "judged_at": report.get("judged_at"),
        "compared_with": report.get("champion_version"),
        "report": judgement.name,
        "report_sha256": judgement.sha256,
        "gates": [_gate(gate) for gate in report.get("gates", ())],
    }


def _gate(gate: Mapping[str, Any]) -> dict[str, Any]:
    kept = ("gate", "verdict", "value", "operator", "threshold", "n", "reason", "source")
    details = gate.get("details", {})
    return {name: gate.get(name) for name in kept} | {name: details.get(name) for name in _INTERVAL}


def _metrics(judgement: Judgement) -> dict[str, dict[str, Any]]:
    """Give each figure of the performance gate with its interval, where it has one.

    The gate's own interval is that of what it judges: the candidate's metric.
    """
    figures = _figures(judgement, _PERFORMANCE)
    judged = next((name for name in figures if name.startswith("candidate_")), "")
    found: dict[str, dict[str, Any]] = {}
    for name, value in figures.items():
        base, _, end = name.rpartition("_")
        if end in _INTERVAL and (base in figures or not base):
            found.setdefault(base or judged or name, {})[end] = value
        else:
            found.setdefault(name, {})["value"] = value
    return found


def _slices(judgement: Judgement) -> dict[str, Any]:
    """Give what was measured of each part of the rows, and which parts were too small to say."""
    parts: dict[str, dict[str, Any]] = {}
    others: dict[str, Any] = {}
    for name, value in _figures(judgement, _SLICES).items():
        part, _, measure = name.rpartition(" ")
        if "=" in part:
            parts.setdefault(part, {})[measure] = value
        else:
            others[name] = value
    return {"parts": parts, "others": others}


def _figures(judgement: Judgement, name: str) -> dict[str, Any]:
    """Give what a gate measured beside its value, by the figures' names."""
    found = _found(judgement, name)
    return dict(found.get("details", {})) if found else {}


def _found(judgement: Judgement, name: str) -> Mapping[str, Any] | None:
    gates: Sequence[Mapping[str, Any]] = judgement.report.get("gates", ())
    return next((gate for gate in gates if gate.get("gate") == name), None)


def _fairness(model: Model, judgement: Judgement) -> dict[str, Any]:
    gate, found = model.gates.fairness, _found(judgement, _FAIRNESS) or {}
    return {
        "attributes": list(gate.attributes),
        "verdict": found.get("verdict"),
        "reason": found.get("reason"),
        "limits": {
            "min_parity_ratio": gate.min_parity_ratio,
            "max_opportunity_difference": gate.max_opportunity_difference,
            "max_odds_difference": gate.max_odds_difference,
            "min_group": gate.min_group,
        },
        "figures": _figures(judgement, _FAIRNESS),
    }


def _monitoring(model: Model, schedule: str) -> dict[str, Any]:
    drift, policy = model.drift, model.policy
    return {
        "drift_schedule": schedule,
        "reference_days": model.windows.reference_days,
        "current_days": model.windows.current_days,
        "psi": {
            "moderate": drift.psi_moderate,
            "significant": drift.psi_significant,
            "severe": drift.psi_severe,
        },
        "ks_floor": drift.ks_floor,
        "alpha": drift.alpha,
        "sustained": f"{drift.sustained} of {drift.windows} windows",
        "performance": {name: getattr(drift, name) for name in _TASK_LIMITS[model.task]},
        "parity_attributes": list(drift.parity_attributes),
        "endpoint_watched": model.endpoint_log is not None,
        "retrain_cooldown_days": policy.cooldown_days.drift,
        "retrain_schedule": policy.schedule.cron,
    }


def _not_known(subject: Subject, judgement: Judgement) -> list[str]:
    """Name what a reader would look for and the version does not say."""
    wanted = (
        *("training_data_table", "training_data_version", "training_rows"),
        *("training_start", "training_end", "holdout_table", "git_sha", "requirements"),
    )
    lacking = [f"the version has no tag {name}" for name in wanted if not subject.tags.get(name)]
    return [*lacking, *([judgement.fault] if judgement.fault else [])]
