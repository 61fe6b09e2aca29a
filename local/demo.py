"""``loop demo``: one scenario through the whole loop, told as it happens, then checked.

It only does what the world would do: lets the timer run, lets time pass, asks people nothing. The
table at the end is read back from tables, registry and simulators by ``local.evidence``.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn
from rich.table import Table

from local.client import StackClient, WaitedTooLongError, wait_for
from local.evidence import Evidence, Row
from local.scenarios import Scenario
from local.sequel import Sequel
from local.stack import HOME, Stack, run_stack
from shared.adapters.clock import write_offset
from shared.domain.audit import verify
from shared.domain.run import WORKING, Run

CHECK_SECONDS = 120
RUN_SECONDS = 240


@dataclass
class Teller:
    """Prints one line a step, with the time since the start."""

    console: Console
    started: float = field(default_factory=time.monotonic)

    def say(self, text: str) -> None:
        self.console.print(f"[dim]{self.seconds:6.1f} s[/]  {text}")

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started


@dataclass(frozen=True)
class Outcome:
    """How a demo ended: the closing table, and whether the audit chain holds."""

    rows: tuple[Row, ...]
    intact: bool

    @property
    def green(self) -> bool:
        return self.intact and all(row.green for row in self.rows)


def run_demo(
    scenario: Scenario, console: Console, *, home: Path = HOME, promote: bool = False
) -> Outcome:
    """Run it in ``home``, with ``promote`` on to Production and back; gives what was read back."""
    spec = scenario.spec
    console.print(f"[bold]{spec.title}[/]: model {spec.model_name}")
    set_up = Teller(console)
    with run_stack(scenario, home=home) as stack:
        set_up.say("Azurite, Functions host, Fabric and Azure Monitor simulators are up")
        scenario.prepare(stack.workdir)
        set_up.say("history, first champion and its predictions are in the lakehouse")
        return _Demo(stack, Teller(console), promote).run()


@dataclass
class _Demo:
    stack: Stack
    teller: Teller
    promote: bool = False
    closed: tuple[Row, ...] = ()
    later: tuple[Row, ...] = ()

    def __post_init__(self) -> None:
        self.client = StackClient(self.stack.endpoints)
        self.evidence = Evidence(self.client, self.stack.scenario.spec.model_name)

    def run(self) -> Outcome:
        """Play the story; a step that does not happen leaves red rows behind."""
        try:
            self._alarm()
            self._retrain()
            self._next_check()
            if self.promote:
                self.closed = tuple(self.evidence.rows())  # what follows adds runs and cards
                self.later = Sequel(self.client, self.evidence.model, self.teller.say).run()
        except WaitedTooLongError as error:
            self.teller.say(f"[red]{error}[/]")
            self._show_logs()
        return self._closing()

    def _alarm(self) -> None:
        spec = self.stack.scenario.spec
        write_offset(self.stack.workdir.root / "clock.json", spec.alarm_at)
        self.teller.say(f"it is {spec.alarm_at:%d %B %Y, %H:%M} UTC; the drift timer runs")
        self.client.trigger("check_drift")
        check = wait_for("a drift check", self.evidence.summaries, seconds=CHECK_SECONDS)[-1]
        worst = self.evidence.worst_psi(check["run_id"])
        growth = self.evidence.performance(check["run_id"])
        self.teller.say(
            f"version {check['model_version']}: [bold]{check['status']}[/], {check['severity']}"
            + (f", {worst[0]} PSI {worst[1]:.2f}" if worst else "")
            + (f", RMSE {growth:+.0%}" if growth is not None else "")
        )
        wait_for("an alert", self._fired, seconds=CHECK_SECONDS)
        self.teller.say("Azure Monitor fired the alert; the action group posted it")
        run = wait_for("a run", self._run, seconds=CHECK_SECONDS)
        self.teller.say(f"received: [bold]{run.run_id}[/], {run.trigger.reason}")

    def _retrain(self) -> None:
        job = wait_for("a job", self._job, seconds=CHECK_SECONDS)
        self.teller.say(f"Fabric started job {job['id']}: training")
        with Progress(
            SpinnerColumn(),
            TextColumn("[dim]{task.description}[/]"),
            BarColumn(),
            console=self.teller.console,
            transient=True,
        ) as progress:
            bar = progress.add_task("training", total=1.0)
            self._until_trained(self._drawn(progress, bar))
        self.teller.say(f"the job ended; {_shown(self._run())}")
        run = wait_for("a verdict", self._at_rest, seconds=RUN_SECONDS)
        self.teller.say(f"gates judged version {run.version or '?'}: [bold]{run.state}[/]")
        for gate in self._gates():
            self.teller.say(f"  {gate['gate']:<16} {gate['verdict']:<5} {gate['reason']}")
        wait_for("the notice and the audit row", self._told, seconds=CHECK_SECONDS)

    def _next_check(self) -> None:
        run = self._run()
        if run is None or not run.version:
            return
        spec = self.stack.scenario.spec
        versions = [self.evidence.summaries()[0]["model_version"], run.version]
        write_offset(self.stack.workdir.root / "clock.json", spec.next_check_at)
        self.stack.scenario.advance(self.stack.workdir, spec.next_check_at, versions)
        self.teller.say(f"time passes to {spec.next_check_at:%d %B %Y}; the drift timer runs again")
        before = len(self.evidence.summaries())
        self.client.trigger("check_drift")
        wait_for(
            "the next drift check",
            lambda: len(self.evidence.summaries()) > before,
            seconds=CHECK_SECONDS,
        )
        last = self.evidence.summaries()[-1]
        self.teller.say(f"version {last['model_version']}: [bold]{last['status']}[/]")

    def _closing(self) -> Outcome:
        rows = [*(self.closed or self.evidence.rows()), *self.later]
        table = Table(title="The closed loop, read back", title_justify="left")
        for column in ("", "Step", "Found"):
            table.add_column(column, overflow="fold")
        for number, row in enumerate(rows, 1):
            mark = "[green]green[/]" if row.green else "[red]red[/]"
            table.add_row(f"{number} {mark}", row.step, row.found)
        self.teller.console.print(table)
        intact = self._chain()
        self.teller.say(f"from alarm to quiet in {self.teller.seconds:.0f} s")
        self._where_next()
        return Outcome(tuple(rows), intact)

    def _chain(self) -> bool:
        store = self.client.app.store
        breaches = list(
            verify(
                store.chain(self.evidence.model),
                store.head(self.evidence.model),
                chain=self.evidence.model,
            )
        )
        count = store.head(self.evidence.model).sequence
        word = "[red]broken[/]" if breaches else "[green]intact[/]"
        self.teller.say(f"the audit chain of {count} rows is {word}")
        return not breaches

    def _where_next(self) -> None:
        folder, lakehouse = self.stack.endpoints.folder, self.stack.endpoints.lakehouse
        self.teller.console.print(
            f"\nWhere to look next (start it again and keep it: [bold]loop up[/])\n"
            f"  audit     loop audit {self.evidence.model}   (while the stack runs)\n"
            f"  models    mlflow ui --backend-store-uri {self.stack.endpoints.mlflow_uri}\n"
            f"  tables    {lakehouse}/lh_gold\n"
            f"  logs      {folder}/logs",
            highlight=False,
            soft_wrap=True,
        )

    def _show_logs(self) -> None:
        for process in self.stack.processes:
            self.teller.console.print(f"[dim]{process.name}:[/] {process.log}", soft_wrap=True)
        fallen = self.stack.fallen()
        if fallen is not None:
            self.teller.say(f"[red]{fallen.name} has ended[/]:\n{fallen.log_tail()}")

    def _fired(self) -> bool:
        return any(receipt["status"] == 202 for receipt in self.client.alerts()["receipts"])  # noqa: PLR2004 - Accepted

    def _run(self) -> Run | None:
        runs = self.evidence.runs()
        return runs[0] if runs else None

    def _job(self) -> dict[str, object] | None:
        jobs: list[dict[str, object]] = self.client.jobs()["jobs"]
        return jobs[0] if jobs else None

    def _until_trained(self, draw: Callable[[], None]) -> None:
        def ended() -> bool:
            job = self._job()
            return job is not None and job["ended"] is not None

        wait_for("the end of the job", ended, seconds=RUN_SECONDS, tick=draw)

    def _drawn(self, progress: Progress, bar: TaskID) -> Callable[[], None]:
        def draw() -> None:
            job = self._job()
            if job is not None:
                text = str(job["progress_text"] or "training")
                progress.update(bar, completed=float(str(job["progress"] or 0)), description=text)

        return draw

    def _at_rest(self) -> Run | None:
        run = self._run()
        return run if run is not None and run.state not in WORKING else None

    def _told(self) -> bool:
        run = self._run()
        told = run is not None and run.notified_at is not None
        return told and self.evidence.projected()

    def _gates(self) -> list[dict[str, object]]:
        return self.evidence.gates()


def _shown(run: Run | None) -> str:
    return f"the run is {run.state}" if run is not None else "there is no run"
