"""``loop doctor``: says what is wrong with a deployment, and what to do about it."""

import json
import logging
import os
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from local.doctor.findings import Finding, Status, fit
from local.doctor.plan import SECONDS, Where, look
from local.outputs import STANDARD_OUTPUT, check_outputs
from local.stack import find_endpoints
from shared.errors import BadInput

TROUBLE: Final = 2
_COLOURS: Final = {
    Status.OK: "green",
    Status.WARN: "yellow",
    Status.SKIP: "dim",
    Status.FAIL: "red",
}


def doctor(  # noqa: PLR0913, PLR0917 - each parameter is an option
    out: Annotated[
        Path | None,
        typer.Option("--json", metavar="OUT", help="Write the findings; - is standard output."),
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
    """Check a deployment from outside in: settings, identity, rights, ids, reach.

    Looks at the running local stack; without one, at what the environment says.

    Exit status: 0 nothing fails, 1 a check fails, 2 something is wrong.
    """
    try:
        check_outputs({"--json": out})
        given = _given(settings, as_me=as_me)
    except (BadInput, ValueError) as error:
        raise typer.BadParameter(str(error)) from None
    where = None if environment or settings is not None else _local_stack()
    # its own way to say that nobody is signed in is a page for each token
    logging.getLogger("azure").setLevel(logging.CRITICAL)
    try:
        findings = look(where or _environment(given, address), seconds)
        show(findings, Console(stderr=out == STANDARD_OUTPUT))
        _write(findings, out)
    except Exception:  # noqa: BLE001 - Python's own status, 1, would say that a check has failed
        traceback.print_exc()
        raise typer.Exit(TROUBLE) from None
    raise typer.Exit(0 if fit(findings) else 1)


def _given(settings: Path | None, *, as_me: bool) -> dict[str, str]:
    given = {**os.environ, **(read_settings(settings) if settings is not None else {})}
    if as_me:
        given.pop("AZURE_CLIENT_ID", None)
    return given


def read_settings(path: Path) -> dict[str, str]:
    """Read what ``az functionapp config appsettings list`` prints, or a local.settings.json.

    Raises:
        ValueError: it is neither.
    """
    document = json.loads(path.read_text(encoding="utf-8"))
    try:
        if isinstance(document, dict):
            document = [{"name": k, "value": v} for k, v in document["Values"].items()]
        found = {str(each["name"]): each["value"] for each in document}
    except (AttributeError, KeyError, TypeError) as error:
        message = f"{path}: is no list of settings with name and value"
        raise ValueError(message) from error
    hidden = sorted(name for name, value in found.items() if value is None)
    if hidden:
        message = (
            f"{path}: no value for {', '.join(hidden)}: give what 'appsettings list' prints; "
            "'appsettings set' hides the values"
        )
        raise ValueError(message)
    return {name: str(value) for name, value in found.items()}


def _local_stack() -> Where | None:
    endpoints = find_endpoints()
    if endpoints is None:
        return None
    return Where(endpoints.environment, endpoints.functions_url)


def _environment(given: Mapping[str, str], address: str) -> Where:
    return Where(given, (address or given.get("SERVICE_API_URI", "")).rstrip("/"))


def _write(findings: Sequence[Finding], out: Path | None) -> None:
    if out is None:
        return
    text = document_of(findings, datetime.now(UTC))
    if out == STANDARD_OUTPUT:
        typer.echo(text, nl=False)
    else:
        out.write_text(text, encoding="utf-8")


def show(findings: Sequence[Finding], console: Console) -> None:
    """Print a row a finding, then what is to be done."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
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
