"""Which checks a deployment gets; the only module here that knows them all."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from local.doctor import (
    data,
    fabric,
    identity,
    jobs,
    monitoring,
    reach,
    roles,
    settings,
    storage,
)
from local.doctor.asking import Asking
from local.doctor.azure import Group
from local.doctor.findings import Check, Finding, Status, examine
from shared.adapters.clock import SystemClock
from shared.adapters.fabric_http import FabricHttp
from shared.errors import LoopError
from shared.outside import Outside

if TYPE_CHECKING:
    from shared.adapters.profiles.kql_source import KqlClient
    from shared.catalogue import Model

ROOT: Final = Path(__file__).resolve().parents[2]
SECONDS: Final = 30.0
"""How long a check may take: a token, a cold start and an answer. House rule."""
LEEWAY: Final = timedelta(minutes=5)
"""How far clocks may differ where no setting says it. Source: ENTRA_LEEWAY_SECONDS's default."""


@dataclass(frozen=True)
class Where:
    """What is looked at.

    Attributes:
        environment: the app settings, and what the deployment says of itself (azd's outputs).
        address: of the function app; empty: not known.
    """

    environment: Mapping[str, str]
    address: str = ""


def look(where: Where, seconds: float = SECONDS) -> list[Finding]:
    """Look at a deployment; what is said of it holds none of its secrets."""
    return list(map(settings.scrubber(where.environment), _look(where, seconds)))


def _look(where: Where, seconds: float) -> list[Finding]:
    """Look first at what all else needs, then at everything beside everything."""
    found, catalogue, findings = settings.read(where.environment, ROOT)
    if found is None or catalogue is None:
        return [*findings, *_reach_alone(where, seconds)]
    outside = Outside(found, catalogue)
    try:
        kept = identity.KeptTokens(outside.credential)
    except LoopError as error:
        remedy = "correct the setting that is named"
        lost = Finding(identity.GROUP, "credential", Status.FAIL, str(error), remedy)
        return [*findings, lost, *_reach_alone(where, seconds)]
    vars(outside)["credential"] = kept
    local = found.auth_mode == "local"
    group = Group(Asking(kept, local=local), where.environment)
    scopes = identity.scopes(catalogue, manager=group.known)
    # first, so that the others find their tokens kept
    findings += examine(identity.checks(kept, scopes, local=local), seconds=seconds)
    return findings + examine(_others(where, outside, group), seconds=seconds)


def _reach_alone(where: Where, seconds: float) -> list[Finding]:
    detail = "identity, rights and ids are not looked at before the settings are right"
    rest = Finding(settings.GROUP, "everything else", Status.SKIP, detail)
    return [*examine(reach.checks(where.address, LEEWAY), seconds=seconds), rest]


def _others(where: Where, outside: Outside, group: Group) -> list[Check]:
    """Give what needs a token; each adapter is set up by the check that first asks for it."""
    found, catalogue = outside.settings, outside.catalogue
    in_vault = settings.refers(where.environment.get("GITHUB_TOKEN", ""))
    leeway = timedelta(seconds=found.entra_leeway_seconds)
    # the machine's own clock: Retry-After has nothing to do with a scenario's time
    http = FabricHttp(found.fabric_url, outside.credential, SystemClock())
    return [
        *settings.checks(where.environment, group),
        *roles.checks(group),
        *storage.checks(found, outside.credential),
        *fabric.checks(http, catalogue),
        *jobs.checks(lambda: outside.jobs, catalogue, token_kept=in_vault),
        *data.registry_checks(lambda: outside.registry, catalogue),
        *data.lakehouse_checks(lambda: outside.lakehouse, catalogue),
        *_monitoring(where, outside, group),
        *reach.checks(where.address, leeway),
    ]


def _monitoring(where: Where, outside: Outside, group: Group) -> list[Check]:
    workspace = where.environment.get("RETRAIN_LOOP_WORKSPACE_ID", "")

    def opened(name: str) -> "KqlClient":
        # not before a check asks: the local stack has no Log Analytics to set up
        return outside.log_analytics.workspace(name)

    def database(model: "Model") -> "tuple[KqlClient, str]":
        return outside.eventhouse.open(model)

    return [
        monitoring.ingestion(group.asking, outside.settings),
        *monitoring.queries(opened, outside.catalogue, workspace),
        *monitoring.eventhouses(database, outside.catalogue),
        *monitoring.resources(group, rule_names(), where.address),
    ]


def rule_names() -> tuple[str, ...]:
    """Give the alert rules that are deployed to fire: those for the app, then those for people."""
    listed = [
        rule
        for name in ("alert-rules.json", "watch-rules.json")
        for rule in json.loads((ROOT / "infra" / name).read_text(encoding="utf-8"))["rules"]
    ]
    return tuple(str(rule["name"]) for rule in listed if rule.get("enabled", True))
