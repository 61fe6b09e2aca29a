"""The parts in one hand, and the moment a rule is evaluated.

What is configured is ``Settings``; HTTP routes reach everything through ``Simulator``.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

import aiohttp
from aiohttp import web

from local.monitor_simulator.action_group import ActionGroup, RetryRule, Spawner
from local.monitor_simulator.alerts import AlertBook, Transition
from local.monitor_simulator.delivery import Caller, Receiver
from local.monitor_simulator.evaluation import Finding, evaluate
from local.monitor_simulator.faults import Faults
from local.monitor_simulator.payload import Scope, common_schema
from local.monitor_simulator.rules import AlertRule, AlertRules, load_rules
from local.monitor_simulator.store import RowStore
from local.monitor_simulator.table import LogTable, load_table
from local.monitor_simulator.teams import CardBox
from shared.adapters.clock import OffsetClock, SystemClock


@dataclass(frozen=True)
class Settings:
    """How one simulator runs; every time is in seconds of the machine's clock."""

    port: int
    rules: Path
    table: Path
    receivers: tuple[Receiver, ...]
    state: Path
    clock_file: Path | None
    token: str | None
    evaluate_every: float
    retry: RetryRule
    scope: Scope


@dataclass(frozen=True)
class Simulator:
    """Everything that a request may need."""

    settings: Settings
    table: LogTable
    rules: AlertRules
    clock: OffsetClock | SystemClock
    store: RowStore
    book: AlertBook
    faults: Faults
    cards: CardBox
    action_group: ActionGroup

    def evaluate(self) -> int:
        """Evaluate every enabled rule now; return how many alerts fired or resolved."""
        now = self.clock.now()
        return sum(self._evaluate(rule, now) for rule in self.rules.rules if rule.enabled)

    def _evaluate(self, rule: AlertRule, now: datetime) -> int:
        transitions = self.book.observe(rule, evaluate(rule, self.store, now), now)
        for transition in transitions:
            self.send(transition, rule)
        return len(transitions)

    def by_hand(self, rule: AlertRule, model_name: str, condition: str) -> Transition:
        """Send a test alert for a model, whatever the rows say."""
        now = self.clock.now()
        is_fired = condition == "Fired"
        value = rule.threshold if is_fired else 0.0
        key = (("model_name", model_name),)
        finding = Finding(key, value, is_fired, now - rule.window, now)
        act = self.book.fire_by_hand if is_fired else self.book.resolve_by_hand
        transition = act(rule, finding, now)
        self.send(transition, rule)
        return transition

    def send(self, transition: Transition, rule: AlertRule) -> None:
        self.action_group.notify(common_schema(transition, rule, self.settings.scope))


SIMULATOR = web.AppKey("simulator", Simulator)


def build(
    settings: Settings,
    session: aiohttp.ClientSession,
    tasks: Spawner,
    new_id: Callable[[], UUID],
) -> Simulator:
    """Read the files and put the parts together; raise ``ValueError`` for a bad rules file."""
    table = load_table(settings.table)
    clock = OffsetClock(settings.clock_file) if settings.clock_file else SystemClock()
    faults = Faults()
    caller = Caller(session, clock, settings.retry.patience)
    group = ActionGroup(settings.receivers, settings.retry, caller, faults, tasks)
    return Simulator(
        settings=settings,
        table=table,
        rules=load_rules(settings.rules, table),
        clock=clock,
        store=RowStore(settings.state / "rows.jsonl"),
        book=AlertBook(settings.state / "alerts.json", new_id),
        faults=faults,
        cards=CardBox(settings.state / "cards.jsonl"),
        action_group=group,
    )


async def evaluate_for_ever(simulator: Simulator) -> None:
    while True:
        simulator.evaluate()
        await asyncio.sleep(simulator.settings.evaluate_every)
