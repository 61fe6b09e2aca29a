"""``loop gates``: a version held against its gates, from a laptop or a CI job. Changes nothing.

The libraries that compute are imported when the command runs, so that other commands start fast.
"""

import json
import os
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from local.outputs import STANDARD_OUTPUT, check_outputs
from local.stack import find_endpoints
from shared.adapters.wording import clipped, figure
from shared.errors import ConfigError, LoopError

if TYPE_CHECKING:
    from shared.bootstrap import App
    from shared.domain.gates.report import Judgement
    from shared.domain.gates.result import GateResult

STATUSES = {"PASS": 0, "FAIL": 1, "ERROR": 2}
TROUBLE = 2
INTERRUPTED = 130
"""What a shell says of a command that was stopped with Ctrl-C."""
COLOURS = {"PASS": "green", "FAIL": "bold red", "ERROR": "bold magenta", "SKIP": "dim"}
LONGEST_MESSAGE = 1000
NEVER_ASKED = {
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
    "FABRIC_API_URL": "http://127.0.0.1:9",
    "LOGS_INGESTION_ENDPOINT": "http://127.0.0.1:9",
    "LOGS_INGESTION_RULE_ID": "none",
}
"""Settings of services that no gate asks, for those who have set the others alone."""


def gates(
    *,
    model: Annotated[str, typer.Option(metavar="NAME", help="A model of models.yaml.")],
    version: Annotated[
        str, typer.Option(metavar="V", help="Its version; where not said, the challenger.")
    ] = "",
    json_out: Annotated[
        Path | None,
        typer.Option("--json", metavar="OUT", help="Write every figure; - is standard output."),
    ] = None,
    html_out: Annotated[
        Path | None, typer.Option("--html", metavar="OUT", help="Write the page for people.")
    ] = None,
) -> None:
    """Put a version through the gates of the deployed app, and change nothing.

    Registry and lakehouse are the running local stack's; without one, those
    of the settings MLFLOW_TRACKING_URI and LAKEHOUSE_URI in the environment.

    Exit status: 0 every gate passed, 1 a gate says no, 2 a gate does not
    know, or something is wrong.
    """
    outputs = {"--json": json_out, "--html": html_out}
    console = Console(stderr=json_out == STANDARD_OUTPUT)
    try:
        check_outputs(outputs)
        judgement = _app(console).judge_version(model, version)
        _show(judgement, console)
        _write(judgement, outputs)
    except (LoopError, OSError) as error:
        typer.secho(f"loop gates: {clipped(error, LONGEST_MESSAGE)}", fg="red", err=True)
        raise typer.Exit(TROUBLE) from None
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    except Exception:  # noqa: BLE001 - Python's own status, 1, would say that a gate has failed
        traceback.print_exc()
        raise typer.Exit(TROUBLE) from None
    raise typer.Exit(STATUSES[judgement.verdict])


def _app(console: Console) -> "App":
    """Give the app on the running stack's settings, or on those of the environment.

    Raises:
        ConfigError: the settings or models.yaml are not right.
    """
    from local.client import app_here

    endpoints = find_endpoints()
    given = {name: value for name, value in os.environ.items() if value}
    if endpoints is None:
        _require_registry(given.get("MLFLOW_TRACKING_URI", ""))
    return app_here(endpoints, {**_never_asked(given), **given}, console)


def _never_asked(given: Mapping[str, str]) -> dict[str, str]:
    """Give what may be left out: not Fabric's address, where its registry is the one asked."""
    fabric = given.get("MLFLOW_TRACKING_URI", "").startswith("fabric://")
    asked = {"FABRIC_API_URL"} if fabric else set()
    return {name: value for name, value in NEVER_ASKED.items() if name not in asked}


def _require_registry(uri: str) -> None:
    """Refuse a file that is not there: MLflow would make an empty registry of it."""
    path = uri.removeprefix("sqlite:///")
    if path != uri and not Path(path).is_file():
        raise ConfigError(f"MLFLOW_TRACKING_URI: {path} is not there", subject=path)


def _show(judgement: "Judgement", console: Console) -> None:
    judged, verdict = judgement.judged, judgement.verdict
    table = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for name in ("Gate", "Verdict"):
        table.add_column(name, no_wrap=True)
    for name in ("Value", "Must be", "n"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("Why", overflow="fold")
    for result in judgement.results:
        table.add_row(*_cells(result))
    console.print(table)
    text = Text(str(verdict), COLOURS[verdict])
    beside = f"champion {judged.champion_version}" if judged.champion_version else "no champion"
    told = f"{judged.model_name} version {judged.model_version}, {beside}"
    rows = f"{judgement.evidence.n:,} rows set aside before {judged.judged_at:%Y-%m-%d %H:%M} UTC"
    console.print(text.append(f"  {told}, {rows}", "not bold default"), highlight=False)


def _cells(result: "GateResult") -> tuple[Text | str, ...]:
    from shared.adapters.gate_page.page import apart

    value, threshold = apart(result.value, result.threshold)
    why = Text(clipped(result.reason, LONGEST_MESSAGE))
    if result.hint:
        why.append(f"\nto do: {clipped(result.hint, LONGEST_MESSAGE)}", "dim")
    return (
        result.gate,
        Text(str(result.verdict), COLOURS[result.verdict]),
        value,
        f"{result.operator} {threshold}" if result.operator else "",
        figure(result.n),
        why,
    )


def _write(judgement: "Judgement", outputs: Mapping[str, Path | None]) -> None:
    from shared.adapters.gate_page import HtmlGatePage

    for option, path in outputs.items():
        if path is None:
            continue
        text = _json(judgement) if option == "--json" else HtmlGatePage().render(judgement).decode()
        if path == STANDARD_OUTPUT:
            typer.echo(text, nl=False)
        else:
            path.write_text(text, encoding="utf-8")


def _json(judgement: "Judgement") -> str:
    """Write the document that the app keeps as evidence, for people to read."""
    return json.dumps(judgement.document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
