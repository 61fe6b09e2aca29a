"""``loop drift``: options in, two files compared, reports out, an exit status. Computes nothing.

The libraries that compute are imported when the command runs, so that other commands start fast.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import ValidationError
from rich.console import Console

from local.drift_report.wording import clipped
from local.outputs import STANDARD_OUTPUT, check_outputs
from shared.catalogue import Task
from shared.errors import BadInput, LoopError
from shared.sections.drift import DriftSettings

if TYPE_CHECKING:
    from local.drift_report.comparison import Report
    from local.drift_report.selection import Request

STATUSES = {"NO_TRIGGER": 0, "TRIGGER": 1}
WRONG = 2
NOT_JUDGED = 3
DEFAULTS = DriftSettings()

LONGEST_MESSAGE = 1000

Names = Sequence[str] | None


def drift(  # noqa: PLR0913 - each is an option of the command
    *,
    reference: Annotated[
        Path, typer.Option(metavar="REF", help="What it was: Parquet or CSV.", show_default=False)
    ],
    current: Annotated[Path, typer.Option(metavar="CUR", help="What it is now: Parquet or CSV.")],
    json_out: Annotated[
        Path | None,
        typer.Option("--json", metavar="OUT", help="Write every number; - is standard output."),
    ] = None,
    html_out: Annotated[
        Path | None,
        typer.Option("--html", metavar="OUT", help="Write a page with a picture of each column."),
    ] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option(metavar="NAMES", help="Compare these only: a list with commas, or repeated."),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(metavar="NAMES", help="Leave these out, such as an id or a row number."),
    ] = None,
    categorical: Annotated[
        list[str] | None,
        typer.Option(
            "--categorical", "--categories", metavar="NAMES", help="Numbers that are categories."
        ),
    ] = None,
    numeric: Annotated[
        list[str] | None,
        typer.Option(metavar="NAMES", help="Texts and booleans that are numbers."),
    ] = None,
    prediction: Annotated[
        str | None, typer.Option(metavar="NAME", help="The column with the model's answers.")
    ] = None,
    actual: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The column with what became true: errors are compared."),
    ] = None,
    task: Annotated[
        Task | None, typer.Option(help="Which errors; guessed from the actuals where not said.")
    ] = None,
    threshold: Annotated[
        float,
        typer.Option(help="PSI that is significant; the bands moderate and severe move with it."),
    ] = DEFAULTS.psi_significant,
    ks_floor: Annotated[
        float, typer.Option(help="KS D above which a shift matters.")
    ] = DEFAULTS.ks_floor,
    cramers_v_floor: Annotated[
        float, typer.Option(help="Cramér's V above which a shift matters.")
    ] = DEFAULTS.cramers_v_floor,
    alpha: Annotated[
        float, typer.Option(help="Share of false findings, after Benjamini-Hochberg.")
    ] = DEFAULTS.alpha,
    bins: Annotated[
        int, typer.Option(help="Quantile bins of the reference, for PSI.")
    ] = DEFAULTS.bins,
    top: Annotated[
        int, typer.Option(min=0, help="Columns in the table on the terminal; 0 shows all.")
    ] = 40,
) -> None:
    """Compare two files: which columns have drifted, by how much, and is it more than chance.

    Parquet or CSV, no cloud, no set-up; the same statistics and verdict as the deployed app.

    Exit status: 0 no drift, 1 drift, 2 a file or an option is wrong, 3 nothing could be judged
    (too little data, or no usable value).
    """
    outputs = {"--json": json_out, "--html": html_out}
    try:
        check_outputs(outputs, (reference, current))
        settings = _settings(threshold, ks_floor, cramers_v_floor, alpha, bins)
        names = (columns, exclude, numeric, categorical)
        request = _request(settings, names, prediction, actual, task)
        report = _compare(reference, current, request, pictures=html_out is not None)
        _write(report, outputs)
    except (LoopError, OSError) as error:
        typer.secho(f"loop drift: {clipped(error, LONGEST_MESSAGE)}", fg="red", err=True)
        raise typer.Exit(WRONG) from None
    # where the JSON is the output, the table must not stand in it
    _show(report, Console(stderr=json_out == STANDARD_OUTPUT), top)
    raise typer.Exit(STATUSES.get(report.verdict.decision, NOT_JUDGED))


def _settings(
    threshold: float, ks_floor: float, cramers_v_floor: float, alpha: float, bins: int
) -> DriftSettings:
    """Make one window's settings; the PSI bands keep the proportions of the defaults."""
    scale = threshold / DEFAULTS.psi_significant
    given = {
        "psi_moderate": DEFAULTS.psi_moderate * scale,
        "psi_significant": threshold,
        "psi_severe": DEFAULTS.psi_severe * scale,
        "ks_floor": ks_floor,
        "cramers_v_floor": cramers_v_floor,
        "alpha": alpha,
        "bins": bins,
        "windows": 1,
        "sustained": 1,
    }
    try:
        return DriftSettings.model_validate(given)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        name = str(fault["loc"][0]) if fault["loc"] else "threshold"
        option = "threshold" if name.startswith("psi_") else name.replace("_", "-")
        raise BadInput(f"--{option}", fault["msg"]) from error


def _request(
    settings: DriftSettings,
    names: tuple[Names, Names, Names, Names],
    prediction: str | None,
    actual: str | None,
    task: Task | None,
) -> "Request":
    from local.drift_report.selection import Request

    columns, exclude, numeric, categorical = (given or () for given in names)
    return Request(settings, columns, exclude, numeric, categorical, prediction, actual, task)


def _compare(reference: Path, current: Path, request: "Request", *, pictures: bool) -> "Report":
    from local.drift_report.comparison import compare
    from local.drift_report.reading import open_source

    return compare(open_source(reference), open_source(current), request, pictures=pictures)


def _show(report: "Report", console: Console, top: int) -> None:
    from local.drift_report.terminal import show

    show(report, console, top)


def _write(report: "Report", outputs: Mapping[str, Path | None]) -> None:
    from local.drift_report.document import to_json
    from local.drift_report.page import to_html

    for option, path in outputs.items():
        if path is None:
            continue
        text = to_json(report) if option == "--json" else to_html(report)
        if path == STANDARD_OUTPUT:
            typer.echo(text, nl=False)
        else:
            path.write_text(text, encoding="utf-8")
