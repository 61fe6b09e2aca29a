"""The ``loop`` command: what a person types. Each command reads its input and calls one thing."""

import json
import logging
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import psutil
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from local.client import StackClient
from local.deploy_command import app as deploy
from local.doctor_command import doctor
from local.drift_files import drift
from local.gates_command import gates
from local.node import ToolError
from local.processes import ProcessError
from local.ready_command import ready
from local.scenarios import SCENARIOS, Scenario
from local.scenarios.base import PreparationError
from local.stack import ENDPOINTS, Endpoints, StackError, find_endpoints, run_stack
from shared.errors import LoopError

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Retrain Loop on this machine.")
app.command()(drift)
app.command()(doctor)
app.add_typer(deploy, name="deploy")
app.command()(gates)
app.command()(ready)
console = Console()

ScenarioName = Annotated[str, typer.Option("--scenario", help=f"One of {', '.join(SCENARIOS)}.")]
STOP_SECONDS = 30


@app.command()
def demo(
    scenario: ScenarioName = "flights",
    promote: Annotated[
        bool, typer.Option("--promote", help="Go on to Production, and back again.")
    ] = False,
) -> None:
    """Run a scenario through the whole loop and check it; exit status 1 where a row is red."""
    from local.demo import run_demo

    with _plainly():
        outcome = run_demo(_scenario(scenario), console, promote=promote)
    raise typer.Exit(0 if outcome.green else 1)


@app.command()
def up(scenario: ScenarioName = "flights") -> None:
    """Start the stack and keep it running until Ctrl-C or ``loop down``."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with _plainly(), run_stack(_scenario(scenario)) as stack:
        console.print("preparing the scenario's data ...")
        stack.scenario.prepare(stack.workdir)
        console.print(f"running; every URL and key is in {ENDPOINTS}", soft_wrap=True)
        console.print("stop it with Ctrl-C or: loop down")
        while (fallen := stack.fallen()) is None:
            time.sleep(0.5)
        raise ProcessError(f"{fallen.name} has ended by itself:\n{fallen.log_tail()}")


@app.command()
def down() -> None:
    """Stop the running stack; says so where none runs."""
    endpoints = find_endpoints()
    if endpoints is None:
        ENDPOINTS.unlink(missing_ok=True)
        console.print("no stack runs")
        return
    process = psutil.Process(endpoints.pid)
    os.kill(endpoints.pid, signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except psutil.TimeoutExpired:
        # its servers end with it: they watch the pipe that it holds
        process.kill()
        ENDPOINTS.unlink(missing_ok=True)
    console.print(f"stopped the stack of process {endpoints.pid}")


@app.command()
def status() -> None:
    """Show where everything runs, and whether the app is ready."""
    with _plainly():
        client = _client()
        where = client.endpoints
        table = Table(show_header=False)
        for name, value in (
            ("scenario", where.scenario),
            ("functions", f"{where.functions_url}/api"),
            ("Fabric simulator", where.fabric_url),
            ("Azure Monitor simulator", where.monitor_url),
            ("MLflow", where.mlflow_uri),
            ("lakehouse", where.lakehouse),
            ("now", f"{client.app.clock.now():%Y-%m-%d %H:%M:%S} UTC"),
            ("health", json.dumps(client.health())),
        ):
            table.add_row(name, value)
        console.print(table)


@app.command()
def alert(file: Annotated[Path, typer.Argument(exists=True, dir_okay=False)]) -> None:
    """Post a payload to the running app; exit status 1 unless it answers 202."""
    with _plainly():
        answer = _client().post_alert(file.read_bytes())
    console.print(f"{answer.status_code} {answer.reason}")
    console.print_json(answer.text) if answer.text else None
    raise typer.Exit(0 if answer.status_code == 202 else 1)  # noqa: PLR2004 - Accepted


@app.command()
def runs() -> None:
    """List all runs of the running stack's models."""
    with _plainly():
        from local.audit_command import as_it_is

        client = _client()
        table = Table()
        for column in ("Requested", "Model", "Run", "State", "Version", "Why"):
            table.add_column(column, overflow="fold")
        for model in client.app.catalogue.models:
            for run in client.app.store.runs(model.name):
                when = f"{run.created_at:%Y-%m-%d %H:%M}"
                why = as_it_is(run.reason)
                table.add_row(when, model.name, run.run_id, run.state, run.version, why)
        console.print(table)


@app.command()
def audit(
    model: Annotated[str, typer.Argument(help="A model's name, or: verify")],
    only: Annotated[str, typer.Argument(help="With verify: this model alone.")] = "",
) -> None:
    """Print a model's ledger; or verify ledger, table and evidence. Exit status 1 on a breach."""
    from local import audit_command

    with _plainly():
        loop = _client().app
        if model == "verify":
            held = audit_command.check(loop, only, console)
        else:
            held = audit_command.show(loop, model, console)
    raise typer.Exit(0 if held else 1)


@app.command()
def chaos(
    seed: Annotated[int, typer.Option(help="The same seed gives the same storm.")] = 1,
    alerts: Annotated[int, typer.Option(min=1, help="Alerts, doubles not counted.")] = 500,
    kills: Annotated[int, typer.Option(min=0, help="How often a worker is killed.")] = 10,
    models: Annotated[int, typer.Option(min=2, max=500, help="Models in the catalogue.")] = 50,
) -> None:
    """Let everything fail at once and check every promise; exit status 1 where one was broken."""
    from local.chaos.command import Request, run_chaos

    with _plainly():
        outcome = run_chaos(Request(seed, alerts, kills, models), console)
    raise typer.Exit(1 if outcome.breaches else 0)


def _client() -> StackClient:
    endpoints: Endpoints | None = find_endpoints()
    if endpoints is None:
        raise StackError("no stack runs: start one with: loop up")
    return StackClient(endpoints)


def _scenario(name: str) -> Scenario:
    if name not in SCENARIOS:
        raise StackError(f"no scenario {name!r}: there are {', '.join(SCENARIOS)}")
    return SCENARIOS[name]


@contextmanager
def _plainly() -> Iterator[None]:
    """Say what went wrong in one sentence, without a traceback, and leave with status 2."""
    try:
        yield
    except (StackError, ToolError, ProcessError, PreparationError, LoopError, OSError) as error:
        said = f"[red]{type(error).__name__}[/]: {escape(str(error))}"
        console.print(said, soft_wrap=True, highlight=False)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        console.print("stopped")
        raise typer.Exit(130) from None


def main() -> None:
    """Run the command line."""
    for library in ("mlflow", "alembic"):
        logging.getLogger(library).setLevel(logging.WARNING)
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    app()
