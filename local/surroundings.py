"""What readiness asks beside the app: the alert rules' file, and where a link leads."""

from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import requests

from local.monitor_simulator.evaluation import evaluate
from local.monitor_simulator.rules import AlertRule, load_rules
from local.monitor_simulator.store import RowStore
from local.monitor_simulator.table import LogRow, load_table
from shared.catalogue import Model
from shared.config import Settings
from shared.domain.readiness.facts import Link, Surroundings, Unknown

ROOT = Path(__file__).resolve().parents[1]
INFRA = ROOT / "infra"
SECONDS = 10
"""How long a link may take to answer."""
SIGN_IN = frozenset({401, 403})
NO_HEAD = 405
BAD = 400


def surroundings(model: Model, settings: Settings, now: datetime) -> Surroundings:
    """Look around, for one model."""
    channel = bool(settings.teams_webhook_url.get_secret_value())
    return Surroundings(alert_rules(model, now), follow(model.runbook), channel)


def alert_rules(model: Model, now: datetime, infra: Path = INFRA) -> tuple[str, ...] | Unknown:
    """Give the enabled rules that fire on a drift verdict of this model, and lead back to it."""
    try:
        table = load_table(infra / "log-table.json")
        rules = load_rules(infra / "alert-rules.json", table).rules
    except (OSError, ValueError) as error:
        return Unknown(f"{infra / 'alert-rules.json'}: {error}")
    with TemporaryDirectory() as folder:
        store = RowStore(Path(folder) / "rows.jsonl")
        store.add([_verdict(model, now - timedelta(minutes=5))])
        return tuple(rule.name for rule in rules if _covers(rule, model, store, now))


def _verdict(model: Model, at: datetime) -> LogRow:
    """Give the row of a check that found lasting drift, as far as rules look at it."""
    values = {
        "TimeGenerated": at.isoformat(),
        "run_id": "check-readiness",
        "model_name": model.name,
        "model_version": "1",
        "feature_name": "__summary__",
        "metric_type": "DRIFT_VERDICT",
        "value": 1.0,
        "threshold": 1.0,
        "status": "TRIGGER",
        "severity": "P1",
    }
    return LogRow(at, values)


def _covers(rule: AlertRule, model: Model, store: RowStore, now: datetime) -> bool:
    """Tell whether the rule fires, and the app would know from its alert which model is meant."""
    named = "model_name" in rule.dimensions
    claimed = any(each.fits(rule.name) for each in model.alert_rules)
    fires = any(finding.is_met for finding in evaluate(rule, store, now))
    return rule.enabled and fires and (named or claimed)


def follow(link: str, root: Path = ROOT) -> Link:
    """Say where a link leads: a file of the project, or an address."""
    parts = urlsplit(link)
    if parts.scheme in ("http", "https"):
        return _ask(link)
    there = bool(parts.path) and (root / parts.path).is_file()
    return Link(there, "a file of the project" if there else "no such file in the project")


def _ask(address: str) -> Link:
    try:
        answer = requests.head(address, allow_redirects=True, timeout=SECONDS)
        if answer.status_code == NO_HEAD:
            answer = requests.get(address, allow_redirects=True, timeout=SECONDS, stream=True)
            answer.close()
    except requests.RequestException as error:
        return Link(False, f"no answer ({type(error).__name__})")  # noqa: FBT003 - found or not
    if answer.status_code in SIGN_IN:
        return Link(None, "asks for a sign-in; look yourself")
    found = answer.status_code < BAD
    return Link(found, "answers" if found else f"answers {answer.status_code}")
