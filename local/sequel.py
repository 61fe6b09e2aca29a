"""What comes after the closed loop: days of comparison, Production, and the way back.

The timer runs until the challenger has its streak; then the champion before is brought back, as a
rehearsal. All that is shown is read back from registry, tables and ledger.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import requests

from local.client import StackClient, wait_for
from local.evidence import Row
from shared.domain.card import SHA256_TAG
from shared.domain.card import TABLE as CARDS
from shared.domain.run import State
from shared.errors import NotFound
from shared.handlers.challenge_days import DAYS_AT_ONCE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from shared.domain.run import Run

SECONDS = 180
ROUNDS = 4
"""Times that the timer comes: each makes up two weeks at most."""
TABLE = "lh_gold.ml_champion_challenger"


@dataclass(frozen=True)
class Sequel:
    """The second half of a scenario."""

    client: StackClient
    model: str
    say: Callable[[str], None]

    def run(self) -> tuple[Row, ...]:
        """Play it; gives what was read back."""
        run = self._promoted()
        compared, promoted, card = self._compared(), self._promotion(run), self._card(run)
        back = self._rolled_back()
        return compared, promoted, card, back

    def _promoted(self) -> Run:
        for _ in range(ROUNDS):
            before = len(self._days())
            self.client.trigger("compare_champion")
            wait_for("a comparison", partial(self._further, before), seconds=SECONDS)
            if self._run().state not in (State.STAGED, State.CHALLENGING):
                break
        wait_for("the promotion", lambda: self._run().state is State.PROMOTED, seconds=SECONDS)
        for row in self._days():
            self.say(f"  {row['window_start']:%d %B}  {row['reason']}")
        run = self._run()
        self.say(f"version {run.version} is the champion: {run.reason}")
        return run

    def _further(self, before: int) -> bool:
        """Tell whether a timer has come to its end: it has decided, or compared all it may."""
        days = len(self._days())
        moved = self._run().state in (State.PROMOTING, State.PROMOTED, State.REJECTED)
        return moved or days - before >= DAYS_AT_ONCE

    def _compared(self) -> Row:
        days = self._days()
        wins = sum(bool(row["challenger_won"]) for row in days)
        rows = sum(int(row["rows_scored"]) for row in days)
        green = [bool(row["challenger_won"]) for row in days[-7:]] == [True] * 7
        found = f"{len(days)} days, {rows} rows, {wins} won, the last seven in a row"
        return Row("Champion beaten", found, green)

    def _promotion(self, run: Run) -> Row:
        champion = self.client.app.registry.champion(self.model)
        told = [row for row in self._chain() if row["action"] == "model.promoted"]
        green = champion.version == run.version and len(told) == 1
        stage = told[-1]["to_stage"] if told else "nothing"
        return Row("Promoted", f"version {champion.version} serves; audit: to {stage}", green)

    def _card(self, run: Run) -> Row:
        version = self.client.app.registry.version(self.model, run.version)
        try:
            rows = self.client.app.tables.read(CARDS, {"run_id": run.run_id})
        except NotFound:
            rows = []
        hashes = {row["card_sha256"] for row in rows}
        green = hashes == {version.tags.get(SHA256_TAG)}
        undeclared = ", ".join(row["undeclared"] for row in rows) or "nothing"
        found = f"{len(rows)} in the table, the version's own; undeclared: {undeclared}"
        return Row("Model card written", found if green else f"{len(rows)} in the table", green)

    def _rolled_back(self) -> Row:
        before = self.client.app.registry.previous(self.model)
        where = self.client.endpoints
        answer = requests.post(
            f"{where.functions_url}/api/models/{self.model}/rollback",
            json={"reason": "rehearsal"},
            headers={"x-functions-key": where.function_key},
            timeout=SECONDS,
        )
        wait_for("the rollback", self._closed, seconds=SECONDS)
        champion = self.client.app.registry.champion(self.model).version
        self.say(f"rolled back: version {champion} serves again")
        green = before is not None and champion == before.version
        return Row("Rolled back", f"{answer.status_code}; version {champion} serves again", green)

    def _closed(self) -> bool:
        back = [row for row in self._chain() if row["action"] == "model.promoted"]
        return len(back) == 2 and self._run().state is State.ROLLED_BACK  # noqa: PLR2004 - there and back

    def _run(self) -> Run:
        return next(iter(self.client.app.store.runs(self.model)))

    def _chain(self) -> Sequence[dict[str, Any]]:
        return list(self.client.app.store.chain(self.model))

    def _days(self) -> list[dict[str, Any]]:
        try:
            rows = self.client.app.tables.read(TABLE, {"model_family": self.model})
        except NotFound:
            return []
        return sorted(rows, key=lambda row: row["window_start"])
