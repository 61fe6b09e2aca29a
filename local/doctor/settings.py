"""The settings: missing, ill-formed, or a reference that the platform did not resolve."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from pydantic import SecretStr

from local.doctor.azure import READER, Group
from local.doctor.findings import Check, Finding, Status, fail
from local.functions_host.errors import InvalidSchedule
from local.functions_host.ncrontab import parse_schedule
from shared.adapters.jobs.job_targets import check_targets
from shared.catalogue import Catalogue, load_catalogue
from shared.config import Settings, load_settings
from shared.errors import ConfigError

GROUP: Final = "settings"
VERSION: Final = "2023-12-01"
"""Of the sites API. Source: Microsoft.Web, config/configreferences."""
_REFERENCE: Final = "@Microsoft.KeyVault("
_UNREAD: Final = "https://secret.invalid"
"""Stands for a secret that only the app can read; no name ends in .invalid (RFC 2606)."""
_SECRETS: Final = {
    str(field.alias) for field in Settings.model_fields.values() if field.annotation is SecretStr
}
_SCHEDULE: Final = "set each to an NCRONTAB expression, such as the one in docs/settings.md"
_SECRET: Final = re.compile(r"TOKEN$|SECRET$|PASSWORD$|KEY$|CONNECTION_STRING$", re.IGNORECASE)
"""Ends of the names of others' secrets, such as MLFLOW_TRACKING_PASSWORD."""
_SHORTEST: Final = 6
"""Characters; what is shorter is no secret, and would be found in any word. House rule."""


def read(
    environment: Mapping[str, str], root: Path
) -> tuple[Settings | None, Catalogue | None, list[Finding]]:
    """Read settings and catalogue; each fault is a finding of its own."""
    try:
        settings = load_settings(without_references(environment))
    except ConfigError as error:
        return None, None, _faults("app settings", error, "set it on the function app")
    found = [Finding(GROUP, "app settings", Status.OK, "complete and well-formed")]
    try:
        catalogue = load_catalogue(root / settings.models_file, environment)
        check_targets(settings, catalogue)
    except ConfigError as error:
        remedy = "correct models.yaml, or set what it names on the function app"
        return settings, None, [*found, *_faults("catalogue", error, remedy)]
    names = ", ".join(model.name for model in catalogue.models)
    return settings, catalogue, [*found, Finding(GROUP, "catalogue", Status.OK, names)]


def without_references(environment: Mapping[str, str]) -> dict[str, str]:
    """Give the settings with an address that leads nowhere for each secret kept in a vault.

    What the Azure CLI lists is the reference; the app itself is given the secret.
    """
    return {
        name: _UNREAD if name in _SECRETS and refers(value) else value
        for name, value in environment.items()
    }


def scrubber(environment: Mapping[str, str]) -> Callable[[Finding], Finding]:
    """Give what takes the settings' secrets out of a finding: an SDK's text may hold one."""
    secrets = {
        # an error shows a line break at the end as two characters
        part.strip()
        for name, value in environment.items()
        for part in _secrets(name, value)
        if len(part.strip()) >= _SHORTEST
    }
    # the longest first: one may be a part of another
    ordered = sorted(secrets, key=len, reverse=True)

    def scrub(finding: Finding) -> Finding:
        detail = finding.detail
        for secret in ordered:
            detail = detail.replace(secret, "***")
        return replace(finding, detail=detail)

    return scrub


def _secrets(name: str, value: str) -> list[str]:
    found = [value] if name in _SECRETS or _SECRET.search(name) else []
    try:
        password = urlsplit(value).password
    except ValueError:  # no address
        password = None
    keys = [key for _, _, key in (part.partition("AccountKey=") for part in value.split(";"))]
    return [*found, *keys, *([password] if password else [])]


def refers(value: str) -> bool:
    """Tell whether a setting's value names a vault's secret."""
    return value.startswith(_REFERENCE)


def _faults(name: str, error: ConfigError, remedy: str) -> list[Finding]:
    """Give a finding a line, without the values: they may be secret."""
    lines = [line.split(" (got ")[0].strip() for line in str(error).splitlines()]
    faults = lines[1:] or lines
    return [Finding(GROUP, name, Status.FAIL, line, remedy) for line in faults]


def checks(environment: Mapping[str, str], group: Group) -> list[Check]:
    return [
        Check(GROUP, "timers", lambda: _timers(environment)),
        Check(GROUP, "Key Vault references", lambda: _references(environment, group), READER),
    ]


def _timers(environment: Mapping[str, str]) -> str:
    aliases = [str(field.alias) for field in Settings.model_fields.values()]
    wanted = [alias for alias in aliases if alias.endswith("_SCHEDULE")]
    missing = [alias for alias in wanted if not environment.get(alias)]
    if missing:
        raise fail(
            f"not set: {', '.join(missing)}; the host knows no default and will not index",
            _SCHEDULE,
        )
    faults = [fault for alias in wanted if (fault := _fault(alias, environment[alias]))]
    if faults:
        raise fail("; ".join(faults), _SCHEDULE)
    return f"{len(wanted)} schedules are set"


def _fault(alias: str, schedule: str) -> str:
    """Say why the host would not take a schedule; nothing where it does."""
    try:
        parse_schedule(schedule)
    except InvalidSchedule as error:
        return f"{alias}: {error}"
    return ""


def _references(environment: Mapping[str, str], group: Group) -> str:
    """Ask whether the platform could read the secrets that settings refer to."""
    names = sorted(name for name, value in environment.items() if refers(value))
    if not names:
        return "no setting refers to a vault"
    site = group.named("AZURE_FUNCTION_NAME")
    path = f"Microsoft.Web/sites/{site}/config/configreferences/appsettings"
    listed = {each.get("name"): each.get("properties", {}) for each in group.listed(path, VERSION)}
    told = {name: listed.get(name, {}).get("status", "not known there") for name in names}
    wrong = [f"{name}: {status}" for name, status in told.items() if status != "Resolved"]
    if wrong:
        raise fail(
            f"not resolved: {', '.join(wrong)}",
            "give the app's identity the role Key Vault Secrets User on the vault, name it in the "
            "app's keyVaultReferenceIdentity, and restart the app",
        )
    return f"resolved: {', '.join(names)}"
