"""``loop ready``: the production readiness checklist of a model, answered with what is there.

The libraries that compute are imported when the command runs, so that other commands start fast.
"""

import json
import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from local.outputs import STANDARD_OUTPUT, check_outputs
from local.stack import find_endpoints
from shared.adapters.registry.mlflow_environment import PATIENCE
from shared.adapters.wording import clipped
from shared.errors import LoopError, NotFound

if TYPE_CHECKING:
    from shared.bootstrap import App
    from shared.domain.readiness.checklist import Report
    from shared.domain.readiness.line import Line

TROUBLE = 2
INTERRUPTED = 130
"""What a shell says of a command that was stopped with Ctrl-C."""
COLOURS = {"PASS": "green", "FAIL": "bold red", "SKIP": "dim"}
LONGEST = 400


def ready(
    model: Annotated[str, typer.Argument(help="A model of models.yaml.")],
    *,
    json_out: Annotated[
        Path | None,
        typer.Option("--json", metavar="OUT", help="Write the report; - is standard output."),
    ] = None,
    write_card: Annotated[
        bool, typer.Option("--write-card", help="Write the champion's model card first.")
    ] = False,
) -> None:
    """Hold a model against the production readiness checklist, line by line.

    Looks at the running local stack; without one, at what the settings in the
    environment name. Changes nothing, unless asked to write the model card.

    Exit status: 0 nothing fails, 1 a line fails, 2 something is wrong.
    """
    console = Console(stderr=json_out == STANDARD_OUTPUT)
    try:
        check_outputs({"--json": json_out})
        with _patience():
            report = _check(_app(console), model, console, write_card=write_card)
        _show(report, console)
        _write(report, json_out)
    except (LoopError, OSError) as error:
        typer.secho(f"loop ready: {clipped(error, LONGEST)}", fg="red", err=True)
        raise typer.Exit(TROUBLE) from None
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    except Exception:  # noqa: BLE001 - Python's own status, 1, would say that a line has failed
        traceback.print_exc()
        raise typer.Exit(TROUBLE) from None
    raise typer.Exit(0 if report.ready else 1)


@contextmanager
def _patience() -> Iterator[None]:
    """Have MLflow give up soon, where the environment does not say otherwise: a person waits."""
    added = {name: value for name, value in PATIENCE.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


def _app(console: Console) -> "App":
    """Give the app on the running stack's settings, or on those of the environment.

    Raises:
        ConfigError: the settings or models.yaml are not right.
    """
    from local.client import app_here

    return app_here(find_endpoints(), os.environ, console)


def _check(app: "App", name: str, console: Console, *, write_card: bool) -> "Report":
    from local.surroundings import surroundings

    model = app.catalogue.find(name)
    if model is None:
        raise NotFound(f"model {name!r} is not in the catalogue", subject=name)
    if write_card:
        console.print(Text(f"model card: {json.dumps(dict(app.write_card.again(model)))}"))
    around = surroundings(model, app.settings, app.clock.now())
    return app.check_readiness(model.name, around)


def _show(report: "Report", console: Console) -> None:
    from shared.domain.readiness.line import Status

    table = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("Check", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("Found", overflow="fold")
    for line in report.lines:
        table.add_row(line.name, Text(str(line.status), COLOURS[line.status]), _found(line))
    console.print(table)
    counts = ", ".join(f"{report.count(status)} {status.lower()}" for status in Status)
    word, colour = ("READY", "green") if report.ready else ("NOT READY", "bold red")
    serving = f"version {report.version}" if report.version else "nobody is known to serve"
    told = f"  {report.model}, {serving}, {report.at:%Y-%m-%d %H:%M} UTC: {counts}"
    console.print(Text(word, colour).append(told, "not bold default"), highlight=False)


def _found(line: "Line") -> Text:
    text = Text(clipped(line.found, LONGEST))
    if line.remedy:
        text.append(f"\nto do: {clipped(line.remedy, LONGEST)}", "dim")
    return text


def _write(report: "Report", path: Path | None) -> None:
    if path is None:
        return
    text = json.dumps(report.document(), indent=1, ensure_ascii=False) + "\n"
    if path == STANDARD_OUTPUT:
        typer.echo(text, nl=False)
    else:
        path.write_text(text, encoding="utf-8")
