"""``loop doctor``: says what is wrong with a deployment, and what to do about it."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

from local.doctor.findings import Finding, Status, fit
from local.doctor.plan import SECONDS, Where, look
from local.stack import find_endpoints

_COLOURS: Final = {
    Status.OK: "green",
    Status.WARN: "yellow",
    Status.SKIP: "dim",
    Status.FAIL: "red",
}


def doctor(  # noqa: PLR0913, PLR0917 - each parameter is an option
    out: Annotated[
        Path | None, typer.Option("--json", help="Write the findings there, as JSON.")
    ] = None,
    address: Annotated[
        str, typer.Option(help="The function app, such as https://app.azurewebsites.net.")
    ] = "",
    seconds: Annotated[float, typer.Option(min=1, help="How long a check may take.")] = SECONDS,
    environment: Annotated[
        bool, typer.Option("--environment", help="Look at the environment, not the local stack.")
    ] = False,
    settings: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="App settings as the Azure CLI lists them."),
    ] = None,
    as_me: Annotated[
        bool, typer.Option("--as-me", help="Ask as whoever is signed in, not as the app.")
    ] = False,
) -> None:
    """Check a deployment from outside in; exit status 1 where a check fails."""
    console = Console()
    try:
        given = {**os.environ, **(read_settings(settings) if settings is not None else {})}
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    if as_me:
        given.pop("AZURE_CLIENT_ID", None)
    where = None if environment or settings is not None else _local_stack()
    findings = look(where or _environment(given, address), seconds)
    show(findings, console)
    if out is not None:
        out.write_text(document_of(findings, datetime.now(UTC)), encoding="utf-8")
    raise typer.Exit(0 if fit(findings) else 1)


def read_settings(path: Path) -> dict[str, str]:
    """Read what ``az functionapp config appsettings list`` prints, or a local.settings.json.

    Raises:
        ValueError: it is neither.
    """
    document = json.loads(path.read_text(encoding="utf-8"))
    if isinstance(document, dict):
        document = [{"name": k, "value": v} for k, v in document.get("Values", {}).items()]
    try:
        return {str(each["name"]): str(each["value"]) for each in document}
    except (KeyError, TypeError) as error:
        message = f"{path}: is no list of settings with name and value"
        raise ValueError(message) from error


def _local_stack() -> Where | None:
    endpoints = find_endpoints()
    if endpoints is None:
        return None
    return Where(endpoints.environment, endpoints.functions_url)


def _environment(given: Mapping[str, str], address: str) -> Where:
    return Where(given, (address or given.get("SERVICE_API_URI", "")).rstrip("/"))


def show(findings: Sequence[Finding], console: Console) -> None:
    """Print a row a finding, then what is to be done."""
    table = Table()
    for column in ("", "What", "Seen"):
        table.add_column(column, overflow="fold")
    for each in findings:
        colour = _COLOURS[each.status]
        # escaped by being added as plain text: details hold what others said
        table.add_row(f"[{colour}]{each.status}[/]", _plain(f"{each.group}: {each.name}"),
                      _plain(each.detail))  # fmt: skip
    console.print(table)
    for each in findings:
        if each.remedy:
            text = f"{each.group}: {each.name}: {each.remedy}"
            console.print(text, markup=False, highlight=False, soft_wrap=True)
    counts = {status: sum(each.status is status for each in findings) for status in Status}
    console.print(", ".join(f"{count} {status}" for status, count in counts.items() if count))


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def document_of(findings: Sequence[Finding], now: datetime) -> str:
    """Write the findings as JSON."""
    document = {
        "schema_version": 1,
        "looked_at": now.isoformat(timespec="seconds"),
        "fit": fit(findings),
        "findings": [asdict(each) for each in findings],
    }
    return json.dumps(document, indent=2) + "\n"
