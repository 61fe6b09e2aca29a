"""``loop deploy``: what a deployment would do, told without Azure; and backups of its ledger."""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from azure.core.exceptions import AzureError
from rich.console import Console
from rich.table import Table

from local.bicep.syntax import BicepError
from local.deploy_plan import PROFILES, Line, PriceList
from shared.errors import ConfigError, LoopError

if TYPE_CHECKING:
    from azure.data.tables import TableServiceClient

    from local.bicep.evaluation import Planned
    from local.ledger_backup import Backup

app = typer.Typer(
    no_args_is_help=True, help="What a deployment to Azure would do; nothing is done."
)
console = Console()

Env = Annotated[str, typer.Option("--env", help=f"The profile: {', '.join(PROFILES)}.")]
JsonFile = Annotated[Path | None, typer.Option("--json", help="Write the plan here, too.")]


@app.command()
def plan(env: Env = "dev", out: JsonFile = None) -> None:
    """Print what would be created, why, and its monthly cost at rest."""
    if env not in PROFILES:
        raise typer.BadParameter(f"there are {', '.join(PROFILES)}", param_hint="--env")
    try:
        lines, prices = planned_lines(env)
    except BicepError as error:
        console.print(f"[red]BicepError[/]: {error}", soft_wrap=True, highlight=False)
        raise typer.Exit(2) from None
    _show(env, lines, prices)
    if out is not None:
        document = {"env": env, "region": prices.region, "lines": [asdict(each) for each in lines]}
        with _plainly():
            out.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


@app.command()
def template(file: Annotated[Path, typer.Argument(help="Where to.")], env: Env = "prod") -> None:
    """Write what a profile computes as an ARM template: for scanners, not for a deployment."""
    from local.deploy_template import arm_template

    if env not in PROFILES:
        raise typer.BadParameter(f"there are {', '.join(PROFILES)}", param_hint="--env")
    with _plainly():
        file.write_text(arm_template(_planned(env)), encoding="utf-8")


@app.command()
def check() -> None:
    """Check the Bicep without its compiler; exit status 1 where something is wrong."""
    from local.bicep.project import INFRA
    from local.deploy_checks import findings

    found = findings(INFRA, INFRA.parent / "models.yaml")
    for each in found:
        console.print(f"[red]{each}[/]", soft_wrap=True, highlight=False)
    console.print("nothing is wrong" if not found else f"{len(found)} findings")
    raise typer.Exit(1 if found else 0)


@app.command()
def backup(file: Annotated[Path, typer.Argument(help="Where to; never overwritten.")]) -> None:
    """Back up state, ledger and marks to a file, and check it; exit status 1 on a breach."""
    from local import ledger_backup

    with _plainly(), _tables() as service:
        _tell(ledger_backup.back_up(service, file))


@app.command()
def restore(file: Annotated[Path, typer.Argument(exists=True, dir_okay=False)]) -> None:
    """Restore a backup into empty tables; exit status 1 where it was refused."""
    from local import ledger_backup

    with _plainly(), _tables() as service:
        _tell(ledger_backup.restore(file, service))


@contextmanager
def _tables() -> "Iterator[TableServiceClient]":
    """Connect to the tables that the app's own settings name, as whoever is signed in."""
    from azure.data.tables import TableServiceClient
    from azure.identity import DefaultAzureCredential

    connection = os.environ.get("AzureWebJobsStorage", "")  # noqa: SIM112 - Azure's own spelling
    uri = os.environ.get("AzureWebJobsStorage__tableServiceUri", "")  # noqa: SIM112 - the same
    if connection:
        with TableServiceClient.from_connection_string(connection) as service:
            yield service
    elif uri:
        with TableServiceClient(uri, credential=DefaultAzureCredential()) as service:
            yield service
    else:
        raise ConfigError("AzureWebJobsStorage__tableServiceUri: must be set")


def _tell(found: "Backup") -> None:
    table = Table()
    for column in ("Chain", "Rows"):
        table.add_column(column, overflow="fold")
    for chain, rows in found.chains.items():
        table.add_row(chain, str(rows))
    console.print(table)
    for each in found.breaches:
        console.print(each, style="red", markup=False, soft_wrap=True)
    counts = ", ".join(f"{len(each)} in {name}" for name, each in found.entities.items())
    console.print(f"{counts}; the chains {'do NOT hold' if found.breaches else 'hold'}")
    if found.breaches:
        raise typer.Exit(1)


@contextmanager
def _plainly() -> Iterator[None]:
    """Say what was refused in one sentence, and leave with status 1."""
    try:
        yield
    except (LoopError, BicepError, OSError, AzureError) as error:
        console.print(f"[red]{type(error).__name__}[/]: {error}", soft_wrap=True, highlight=False)
        raise typer.Exit(1) from None


def planned_lines(env: str) -> tuple[list[Line], PriceList]:
    """Evaluate the Bicep with azd's parameter file and the environment, for a profile.

    Raises:
        BicepError: the Bicep asks for what is not there.
    """
    from local.bicep.project import INFRA, read_json
    from local.deploy_plan import plan as lines_of
    from local.deploy_plan import price_list

    prices = price_list(read_json(INFRA / "prices.json"))
    return lines_of(_planned(env), prices), prices


def _planned(env: str) -> "list[Planned]":
    from local.bicep.project import load_project
    from local.deploy_checks import planned_resources

    environment = {"AZURE_ENV_NAME": f"retrain-loop-{env}", **os.environ}
    return planned_resources(load_project(), env, environment)


def _described(line: Line) -> str:
    """Show ``Microsoft.A/b/c`` as ``c`` below ``A/b``, and below it its names and SKU."""
    top, *below = line.type.removeprefix("Microsoft.").split("/")
    indent = "  " * (len(below) - 1)
    kind = below[-1] if indent else f"{top}/{below[0]}"
    facts = [*line.names, *([f"SKU: {line.sku}"] if line.sku else [])]
    return "\n".join([f"{indent}[bold]{kind}[/]", *(f"{indent}  {each}" for each in facts)])


def _show(env: str, lines: Sequence[Line], prices: PriceList) -> None:
    table = Table(title=f"{env}: what would be created")
    table.add_column("Type, names, SKU", no_wrap=True)
    table.add_column("Why, and what it costs by use", overflow="fold")
    table.add_column("USD", justify="right", no_wrap=True)
    for each in lines:
        why = f"{each.why}; {each.by_use}" if each.by_use else each.why
        cost = f"{each.monthly:.2f}" if each.monthly else "-"
        table.add_row(_described(each), why, cost)
    console.print(table)
    total = sum(each.monthly for each in lines)
    console.print(f"At rest: {total:.2f} USD a month ({prices.region}, read {prices.read}).")
    console.print(f"{prices.note} Placeholders in braces are known after the deployment.")
