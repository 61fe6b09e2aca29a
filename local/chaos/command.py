"""``loop chaos``: storm, calm, check, and what to type to see it again."""

import shutil
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from rich.console import Console

from local.chaos.invariants import World
from local.chaos.plan import deliveries
from local.chaos.rig import STALLED_SECONDS, Rig, run_rig
from local.chaos.storm import Storm
from local.chaos.world import DEADLINE_MINUTES
from shared.domain.run import DRIVEN

CALM_SECONDS = 180
"""How long the loop may take to come to rest: several of the sweeper's graces."""
QUIET_LOOKS = 2
AHEAD_SECONDS = 9 * 3600.0
"""Beyond the furthest jump: what a clock that was set back has put off is due."""


@dataclass(frozen=True)
class Request:
    """What to run: the same numbers give the same deliveries, faults and moments to kill."""

    seed: int
    alerts: int
    kills: int
    models: int = 50

    @property
    def command(self) -> str:
        options = f"--seed {self.seed} --alerts {self.alerts} --kills {self.kills}"
        return f"loop chaos {options} --models {self.models}"


@dataclass(frozen=True)
class Outcome:
    """What was found: counts, broken promises, and whether the loop came to rest."""

    counts: Counter[str]
    breaches: tuple[str, ...]


def run_chaos(request: Request, console: Console) -> Outcome:
    """Run it in a folder of its own, which is kept where a promise was broken."""
    folder = Path(mkdtemp(prefix="loop-chaos-"))
    with run_rig(folder, request.models, request.seed) as rig:
        outcome = _play(rig, request, console)
    if outcome.breaches:
        console.print(f"logs and state are kept in {folder}", soft_wrap=True)
    else:
        shutil.rmtree(folder)
    _tell(outcome, request, console)
    return outcome


def _play(rig: Rig, request: Request, console: Console) -> Outcome:
    begun = time.monotonic()

    def tell(text: str) -> None:
        console.print(f"[dim]{time.monotonic() - begun:6.1f} s[/]  {text}")

    plan = deliveries(request.seed, request.alerts, rig.models)
    tell(f"{len(plan)} deliveries of {request.alerts} alerts to {len(rig.models)} models")
    storm = Storm(rig, request.seed, request.kills)
    storm.rage(plan, tell)
    tell(f"the storm is over: {storm.killed} kills; the loop comes to rest")
    rested = _calm(rig)
    tell("at rest; checking" if rested else f"not at rest after {CALM_SECONDS} s; checking")
    world = World(rig, storm.sent)
    breaches = world.breaches()
    weather = rig.set_weather()
    world.counts.update({f"storage: {name}": count for name, count in weather.items()})
    world.counts.update({"kills": storm.killed, "clock jumps": storm.jumps})
    world.counts["Fabric faults"] = storm.ordered - len(rig.fabric("faults")["faults"])
    return Outcome(world.counts, tuple(breaches))


def _calm(rig: Rig) -> bool:
    """End all faults, let the deadlines pass, and wait for the sweeper; True: the loop rests."""
    rig.set_weather(0)
    rig.clear_fabric_faults()
    end = time.monotonic() + CALM_SECONDS
    quiet = looks = 0
    while quiet < QUIET_LOOKS and time.monotonic() < end:
        # ahead of every jump, and from there on faster: deadlines are minutes
        rig.set_clock(AHEAD_SECONDS + looks * DEADLINE_MINUTES * 10)
        looks += 1
        time.sleep(STALLED_SECONDS / 4)
        quiet = quiet + 1 if _rests(rig) else 0
    return quiet == QUIET_LOOKS


def _rests(rig: Rig) -> bool:
    store = rig.app.store
    return not store.unprojected() and all(
        run.state not in DRIVEN and run.notified_at is not None
        for model in rig.models
        for run in store.unsettled(model)
    )


def _tell(outcome: Outcome, request: Request, console: Console) -> None:
    for name, count in outcome.counts.items():
        console.print(f"{count:>9,}  {name}", highlight=False)
    for breach in outcome.breaches:
        console.print(f"[red]BROKEN[/]  {breach}", soft_wrap=True, highlight=False)
    if outcome.breaches:
        console.print(f"to see it again: {request.command}", soft_wrap=True)
    else:
        console.print("every promise was kept")
