"""Which checks a deployment gets; the only module here that knows them all."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from local.doctor import data, fabric, identity, monitoring, reach, roles, settings, storage
from local.doctor.asking import Asking
from local.doctor.azure import Group
from local.doctor.findings import Check, Finding, Status, examine
from shared.adapters.clock import SystemClock
from shared.adapters.fabric_http import FabricHttp
from shared.catalogue import Catalogue
from shared.config import Settings
from shared.errors import LoopError
from shared.outside import Outside

if TYPE_CHECKING:
    from shared.adapters.kql_source import KqlClient

ROOT: Final = Path(__file__).resolve().parents[2]
SECONDS: Final = 30.0
"""How long a check may take: a token, a cold start and an answer. House rule."""


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
    """Look at a deployment: first what all else needs, then everything beside everything."""
    found, catalogue, findings = settings.read(where.environment, ROOT)
    if found is None or catalogue is None:
        reach_only = reach.checks(where.address, timedelta(minutes=5))
        return [*findings, *examine(reach_only, seconds=seconds), _skipped()]
    outside = Outside(found, catalogue)
    try:
        kept = identity.KeptTokens(outside.credential)
    except LoopError as error:
        return [*findings, Finding(identity.GROUP, "credential", Status.FAIL, str(error))]
    vars(outside)["credential"] = kept
    local = found.auth_mode == "local"
    # first, so that the others find their tokens kept
    findings += examine(identity.checks(kept, local=local), seconds=seconds)
    return findings + examine(_others(where, found, catalogue, outside), seconds=seconds)


def _skipped() -> Finding:
    detail = "identity, rights and ids are not looked at before the settings are right"
    return Finding(settings.GROUP, "everything else", Status.SKIP, detail)


def _others(where: Where, found: Settings, catalogue: Catalogue, outside: Outside) -> list[Check]:
    credential, environment = outside.credential, where.environment
    asking = Asking(credential, local=found.auth_mode == "local")
    group = Group(asking, environment)
    # the machine's own clock: Retry-After has nothing to do with a scenario's time
    http = FabricHttp(found.fabric_url, credential, SystemClock())
    workspace = environment.get("RETRAIN_LOOP_WORKSPACE_ID", "")
    leeway = timedelta(seconds=found.entra_leeway_seconds)

    def opened(name: str) -> "KqlClient":
        # not before a check asks: the local stack has no Log Analytics to set up
        return outside.log_analytics.workspace(name)

    return [
        *settings.checks(environment, group),
        *roles.checks(group),
        *storage.checks(found, credential),
        *fabric.checks(http, catalogue),
        *data.registry_checks(outside.registry, catalogue),
        *data.lakehouse_checks(outside.lakehouse, catalogue),
        monitoring.ingestion(asking, found),
        *monitoring.queries(opened, catalogue, workspace),
        *monitoring.resources(group, rule_names(), where.address),
        *reach.checks(where.address, leeway),
    ]


def rule_names() -> tuple[str, ...]:
    """Give the alert rules that are deployed."""
    document = json.loads((ROOT / "infra" / "alert-rules.json").read_text(encoding="utf-8"))
    return tuple(str(rule["name"]) for rule in document["rules"])
