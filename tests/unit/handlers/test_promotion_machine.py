"""Whoever asks for another champion, in whichever order: one at a time, each on record."""

from collections import Counter
from datetime import timedelta
from itertools import pairwise

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from shared.domain.actor import Actor
from shared.domain.run import NEXT, Lock, Purpose, State
from shared.errors import LoopError, Refused, Unavailable
from shared.handlers.promotion_start import new_promotion
from shared.ports import Commit
from tests.fakes.loop import fair
from tests.fakes.samples import HOLDOUT_TABLE, MODEL, alert_of, holdout_rows
from tests.fakes.weeks import challenged, compare_on, serve, worse

ANA = Actor("ana@example.com", "user")
ONE_DAY = timedelta(days=1)


class PromotionMachine(RuleBasedStateMachine):
    """One model whose versions come, win and are rolled back, and a registry that may fail."""

    def __init__(self) -> None:
        super().__init__()
        rests = {"cooldown_days": {"drift": 0}, "budget": {"runs": 100}}
        self.loop = challenged(challenge={"wins": 1}, policy=rests)
        self.registry = self.loop.ports.registry
        self.promoted: list[str] = []
        promote = self.registry.promote

        def recorded(model: str, version: str) -> None:
            promote(model, version)
            self.promoted.append(version)

        self.registry.promote = recorded  # type: ignore[method-assign] # listens, and does as before

    @rule()
    def a_day_is_won(self) -> None:
        day = self.loop.ports.clock.now().date()
        champion = self.registry._aliases[MODEL].get("champion", "")
        if champion:
            self.loop.ports.scorer.answers(MODEL, champion, worse)
            serve(self.loop, day, version=champion)
        try:
            compare_on(self.loop, day + ONE_DAY)
        except LoopError:
            return  # the timer comes again tomorrow

    @rule(data=st.data())
    def another_version_is_trained(self, data: st.DataObject) -> None:
        now = self.loop.ports.clock.now()
        fresh = [{**row, "id": f"{now}-{row['id']}"} for row in holdout_rows(now)]
        self.loop.ports.windows.write(HOLDOUT_TABLE, fresh)
        number = data.draw(st.integers(2, 10**6))
        self.loop.receive(alert_of(number, fired_at=now))

    @rule(
        purpose=st.sampled_from([Purpose.ROLLBACK, Purpose.BOOTSTRAP]), key=st.sampled_from("abcd")
    )
    def an_operator_asks(self, purpose: Purpose, key: str) -> None:
        before = self.registry._aliases[MODEL].get("previous-champion", "1")
        new_promotion(
            self.loop.steps, self.loop.catalogue.models[0], version=before, purpose=purpose,
            key=key, reason="because", actor=ANA,
        )  # fmt: skip

    @rule()
    def versions_answer_again(self) -> None:
        for version in range(1, len(self.registry._all(MODEL)) + 1):
            self.loop.ports.scorer.answers(MODEL, str(version), fair)

    @rule(error=st.sampled_from([Unavailable("away"), Refused("no")]), done=st.booleans())
    def the_registry_fails(self, error: LoopError, done: bool) -> None:
        self.registry.faults.order(error, done=done)

    @rule()
    def another_run_has_the_model(self) -> None:
        store = self.loop.ports.store
        snapshot = store.snapshot(MODEL, "run-none")
        later = self.loop.ports.clock.now() + timedelta(minutes=20)
        taken = Lock("run-other", snapshot.lock.fence + 1, later)
        store.commit(snapshot, Commit(None, taken, (), snapshot.head))

    @rule(steps=st.integers(1, 12))
    def messages_are_handled(self, steps: int) -> None:
        for _ in range(steps):
            self.loop.step()

    @rule()
    def the_sweeper_comes(self) -> None:
        self.loop.ports.clock.advance(minutes=20)
        self.loop.sweep()

    @invariant()
    def every_step_is_in_the_table(self) -> None:
        histories: dict[str, list[State]] = {}
        for commit in self.loop.ports.store.commits:
            if commit.run is not None:
                histories.setdefault(commit.run.run_id, []).append(commit.run.state)
        for states in histories.values():
            steps = [(one, two) for one, two in pairwise(states) if one is not two]
            assert all(two in NEXT.get(one, ()) for one, two in steps)

    @invariant()
    def a_run_that_promoted_said_so_once_before_and_once_after(self) -> None:
        said = Counter((row["run_id"], row["action"]) for row in self.loop.ports.store.chain(MODEL))
        for run in self.loop.runs():
            done = run.state in (State.PROMOTED, State.ROLLED_BACK)
            assert said[run.run_id, "model.promoted"] == done
            assert said[run.run_id, "model.promote"] in ((1,) if done else (0, 1))

    @invariant()
    def nothing_is_promoted_without_an_intent(self) -> None:
        chain = list(self.loop.ports.store.chain(MODEL))
        intents = {row["model_version"] for row in chain if row["action"] == "model.promote"}
        before = {
            row["context"]["replaces"] for row in chain if row["action"] == "model.promote"
        }  # an undone promotion puts these back
        assert set(self.promoted) <= intents | before

    @invariant()
    def the_ledger_is_unbroken(self) -> None:
        assert not self.loop.breaches()

    def teardown(self) -> None:
        """Whatever has happened, everything comes to rest, and the champion is on record."""
        self.registry.faults = type(self.registry.faults)()
        self.loop.ports.clock.advance(days=1)
        self.loop.drain()
        self.loop.settle()
        assert not [run for run in self.loop.runs() if run.state is State.PROMOTING]
        done = [
            row["model_version"]
            for row in self.loop.ports.store.chain(MODEL)
            if row["action"] == "model.promoted"
        ]
        assert self.registry.champion(MODEL).version == (done[-1] if done else "1")


PromotionMachine.TestCase.settings = settings(
    max_examples=25, stateful_step_count=30, deadline=None
)
TestPromotionMachine = PromotionMachine.TestCase
