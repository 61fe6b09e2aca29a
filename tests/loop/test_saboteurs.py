"""Candidates that must never be staged: real versions in real processes, put through the gates.

Every row of the table says which state the run ends in, what says so, and in which words it stands
in the audit. State, queues and the lakehouse are fakes; versions, registry files and the scoring
process are real. This process is the worker: it must come through all of them.
"""

import contextlib
import socket
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import psutil
import pytest

from shared.adapters.scoring import scoring_child
from shared.adapters.scoring.scorer import SubprocessScorer
from shared.adapters.scoring.scoring_sources import locations
from shared.catalogue import Catalogue
from shared.domain.run import Run, State
from shared.errors import Unavailable
from tests.fakes.clock import START
from tests.fakes.loop import FakeLoop
from tests.fakes.samples import HOLDOUT_TABLE, MODEL, alert_of, catalogue_of, model_document
from tests.loop.saboteur_models import KINDS, register

ROWS = 120
SECONDS = 90
HANGS_AFTER = 15
MEMORY_MB = 1500


def regression(**gates: Any) -> Catalogue:
    return catalogue_of(_document("regression", gates))


def classification(*, regulated: bool = False, **gates: Any) -> Catalogue:
    return catalogue_of(_document("classification", gates) | {"regulated": regulated})


def _document(task: str, gates: dict[str, Any]) -> dict[str, Any]:
    features = [
        {"name": "distance", "kind": "numeric"},
        {"name": "carrier", "kind": "categorical"},
    ]
    generous = {
        "performance": {"floor": 0.5},
        # a shared machine may stop a process for a while: only the slow one is held to a limit
        "latency": {"calls": 100, "p99_ms": 10_000},
        "min_rows": 50,
    }
    return model_document(task=task, features=features, gates={**generous, **gates})


@dataclass(frozen=True)
class Saboteur:
    """One row of the table.

    Attributes:
        kind: which model the job registers.
        state: where its run must end.
        said: texts the audit's last row must hold; a gate's begins with its name and verdict.
        settings: of the scorer, where it needs tighter ones.
    """

    kind: str
    state: State
    said: tuple[str, ...]
    catalogue: Catalogue = field(default_factory=regression)
    champion: str = "fair"
    settings: dict[str, Any] = field(default_factory=dict)


ERROR, REJECTED = State.GATE_ERROR, State.REJECTED
SABOTEURS = {
    "worse than the champion": Saboteur(
        "worse", REJECTED, ("performance FAIL: R2 (champion 0.99",)
    ),
    "constant": Saboteur("constant", REJECTED, ("performance FAIL: R2",)),
    "NaN": Saboteur(
        "nan", REJECTED, ("error_rate FAIL: ", "3 of 120 predictions are not finite numbers")
    ),
    "leaking the label": Saboteur(
        "leaking",
        REJECTED,
        ("performance FAIL: R2 1 must be at or below 0.9999",),
        regression(performance={"floor": 0.5, "ceiling": 0.9999}),
    ),
    "right on average, wrong on a slice": Saboteur(
        "partial",
        REJECTED,
        ("slices FAIL: carrier=CC error above the champion's",),
        regression(slices={"columns": ["carrier"], "min_rows": 10}),
    ),
    "answering otherwise than the champion": Saboteur(
        "coarse", REJECTED, ("prediction_drift FAIL: PSI",)
    ),
    "answering by the row's place": Saboteur(
        "by_place",
        REJECTED,
        ("explanation FAIL: ", "lost distance", "robustness FAIL: ", "one_row"),
        regression(explanation={"champion_top": 1, "candidate_top": 1}),
    ),
    "too slow": Saboteur(
        "slow",
        REJECTED,
        ("latency FAIL: ",),
        regression(latency={"calls": 100, "p99_ms": 50}),
    ),
    "hanging": Saboteur(
        "hanging",
        ERROR,
        ("performance ERROR: ", f"took longer than {HANGS_AFTER} s while predicting"),
        settings={"seconds": HANGS_AFTER},
    ),
    "eating memory": Saboteur(
        "hungry", ERROR, ("performance ERROR: ", "memory limit of 1500 MiB while predicting")
    ),
    "crashing the interpreter": Saboteur(
        "crashing", ERROR, ("performance ERROR: ", "crashed with SIGSEGV while predicting")
    ),
    "ending its process": Saboteur(
        "leaving", ERROR, ("performance ERROR: ", "ended by itself while predicting")
    ),
    "failing to load": Saboteur(
        "unloadable", ERROR, ("performance ERROR: ", "could not be loaded: ValueError: its weights")
    ),
    "wrong signature": Saboteur(
        "other_columns", ERROR, ("performance ERROR: ", "could not predict: ", "speed")
    ),
    "refused as pickled": Saboteur(
        "fair",
        ERROR,
        ("performance ERROR: ", "ALLOW_PICKLED_MODELS is false: its MLmodel names model_code_path"),
        settings={"allow_pickled": False},
    ),
    "files elsewhere": Saboteur(
        "fair",
        ERROR,
        ("performance ERROR: ", "where the registry keeps none"),
        settings={"locations": ("mlflow-artifacts:/",)},
    ),
    "biased": Saboteur(
        "biased",
        REJECTED,
        ("fairness FAIL: ",),
        classification(regulated=True, fairness={"attributes": ["carrier"], "min_group": 20}),
        "chance",
    ),
    "miscalibrated": Saboteur(
        "overconfident", REJECTED, ("calibration FAIL: ",), classification(), "chance"
    ),
}


@dataclass(frozen=True)
class Registered:
    """The registry's address, and the number each kind of model has in it."""

    uri: str

    def number(self, kind: str) -> str:
        return str(KINDS.index(kind) + 1)


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> Registered:
    """A registry on SQLite with one version of each kind, and its files beside it."""
    folder = tmp_path_factory.mktemp("saboteurs")
    uri = f"sqlite:///{folder}/mlflow.db"
    with warnings.catch_warnings(record=True):  # MLflow's advice on saving: it resets the filters
        warnings.simplefilter("ignore")
        register(folder, uri)
    return Registered(uri)


class RealScorer:
    """The real scorer under the fake registry's version numbers.

    ``champions`` keeps what a champion answered: it is the same in every row of the table.
    """

    def __init__(self, registered: Registered, champions: dict[Any, Any], **settings: Any) -> None:
        self.kinds: dict[str, str] = {}
        self._registered = registered
        self._champions = champions
        given = {
            "memory_mb": MEMORY_MB,
            "seconds": SECONDS,
            "locations": locations(registered.uri),
            **settings,
        }
        self._strict = SubprocessScorer(registered.uri, **given)
        self._lenient = SubprocessScorer(registered.uri, memory_mb=MEMORY_MB, seconds=SECONDS)

    def score(self, version: Any, rows: Any, **asked: Any) -> Any:
        kind = self.kinds[version.version]
        real = replace(version, version=self._registered.number(kind))
        if version.version != "1":
            return self._strict.score(real, rows, **asked)
        key = (kind, repr(sorted(asked)))
        if key not in self._champions:
            self._champions[key] = self._lenient.score(real, rows, **asked)
        return self._champions[key]


@pytest.fixture(scope="module")
def champions() -> dict[Any, Any]:
    return {}


def holdout(task: str) -> list[dict[str, Any]]:
    """Give rows with noise: nobody honest is perfect on them."""
    return [
        {
            "ts": START - timedelta(days=1, minutes=number),
            "id": f"flight-{number}",
            "distance": float(number),
            "carrier": "CC" if number % 12 == 5 else ("AA", "BB")[number % 2],
            "delay": _actual(task, number),
        }
        for number in range(ROWS)
    ]


def _actual(task: str, number: int) -> float:
    if task == "regression":
        return number + 10.0 + (number * 7 % 11 - 5) * 0.8
    # an even spread stands in for chance: a share of 0.2 + 0.6 * number / 119 is positive
    return float((number * 0.6180339887498949) % 1 < 0.2 + 0.6 * number / (ROWS - 1))


def judging(scorer: RealScorer, catalogue: Catalogue, champion: str) -> FakeLoop:
    """Bring a run to its gates; its job has registered nothing yet."""
    loop = FakeLoop(catalogue, tap=lambda name, port: scorer if name == "scorer" else port)
    scorer.kinds[loop.champion] = champion
    loop.ports.windows.overwrite(HOLDOUT_TABLE, holdout(catalogue.models[0].task))
    loop.job_status = ""
    run_id = loop.receive(alert_of()).run_id
    loop.watch(MODEL, run_id, 0)
    loop.ports.jobs.set_status(loop.run().job_id, "Completed")
    loop.watch(MODEL, run_id, 1)
    assert loop.run().state is State.JUDGING
    return loop


def made(loop: FakeLoop, scorer: RealScorer, kind: str) -> FakeLoop:
    """Register the version that the run's job made."""
    scorer.kinds[loop.add_version(None, loop.run().run_id)] = kind
    return loop


def judged(loop: FakeLoop) -> Run:
    loop.ports.clock.advance(seconds=30)
    loop.judge(MODEL, loop.run().run_id)
    return loop.run()


def last_reason(loop: FakeLoop) -> str:
    return str(list(loop.ports.store.chain(MODEL))[-1]["reason"])


def unharmed(loop: FakeLoop) -> bool:
    """Tell whether no role has moved, the ledger holds, and no process is left."""
    registry = loop.ports.registry
    return (
        registry.challenger(MODEL) is None
        and "model.stage/intent" not in loop.actions()
        and not loop.breaches()
        and not left_behind()
    )


def left_behind() -> list[str]:
    """Give the commands of the scoring processes that still run; other tests have servers."""
    commands = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            commands.append(" ".join(process.cmdline()))
    return [command for command in commands if scoring_child.__name__ in command]


class TestSaboteurs:
    @pytest.mark.parametrize("name", SABOTEURS)
    def test_a_saboteur_is_never_staged_and_the_audit_says_why(self, registered, champions, name):
        case = SABOTEURS[name]
        scorer = RealScorer(registered, champions, **case.settings)
        loop = made(judging(scorer, case.catalogue, case.champion), scorer, case.kind)

        run = judged(loop)

        reason = last_reason(loop)
        assert run.state is case.state, reason
        assert [text for text in case.said if text not in reason] == [], reason
        assert unharmed(loop)

    @pytest.mark.parametrize(
        ("catalogue", "kind"), [(regression(), "fair"), (classification(), "chance")]
    )
    def test_an_honest_candidate_passes_where_they_fail(
        self, registered, champions, catalogue, kind
    ):
        scorer = RealScorer(registered, champions)
        loop = made(judging(scorer, catalogue, kind), scorer, kind)

        run = judged(loop)

        assert run.state is State.STAGED, last_reason(loop)


class TestSabotagedSurroundings:
    def test_a_version_of_another_run_is_not_judged(self, registered, champions):
        scorer = RealScorer(registered, champions)
        loop = judging(scorer, regression(), "fair")
        scorer.kinds[loop.add_version(None, "run-of-somebody-else")] = "fair"

        run = judged(loop)

        assert run.state is ERROR
        assert "should have made one version with this run's id; it made: none" in last_reason(loop)
        assert unharmed(loop)

    def test_a_version_that_was_trained_on_the_holdout_is_rejected(self, registered, champions):
        scorer = RealScorer(registered, champions)
        loop = judging(scorer, regression(), "fair")
        loop.ports.windows.overwrite(HOLDOUT_TABLE, holdout("regression")[:20])
        made(loop, scorer, "fair")
        loop.ports.windows.overwrite(HOLDOUT_TABLE, holdout("regression"))

        run = judged(loop)

        assert run.state is REJECTED
        assert "lineage FAIL: share of holdout rows that training may have seen" in last_reason(
            loop
        )
        assert unharmed(loop)

    def test_a_holdout_that_was_made_easier_rejects_who_profits(self, registered, champions):
        scorer = RealScorer(registered, champions)
        loop = made(judging(scorer, regression(), "fair"), scorer, "worse")
        easier = [{**row, "delay": row["distance"] + 10} for row in holdout("regression")]
        loop.ports.windows.overwrite(HOLDOUT_TABLE, easier)

        run = judged(loop)

        assert run.state is REJECTED
        assert f"lineage FAIL: 109 rows of {HOLDOUT_TABLE} are not as they were" in last_reason(
            loop
        )
        assert unharmed(loop)

    def test_a_version_that_says_nothing_of_itself_is_rejected(self, registered, champions):
        scorer = RealScorer(registered, champions)
        loop = judging(scorer, regression(), "fair")
        version = loop.ports.registry.register(MODEL, tags={"retrain_run_id": loop.run().run_id})
        scorer.kinds[version] = "fair"

        run = judged(loop)

        assert run.state is REJECTED
        assert "lineage FAIL: training_data_table is missing; " in last_reason(loop)
        assert unharmed(loop)

    def test_without_a_champion_nothing_is_staged(self, registered, champions):
        scorer = RealScorer(registered, champions)
        loop = made(judging(scorer, regression(), "fair"), scorer, "fair")
        loop.ports.registry._aliases.clear()

        run = judged(loop)

        assert run.state is ERROR
        assert "performance ERROR: no champion to compare with" in last_reason(loop)
        assert unharmed(loop)

    def test_without_a_holdout_there_is_nothing_to_judge_on(self, registered, champions):
        scorer = RealScorer(registered, champions)
        loop = made(judging(scorer, regression(), "fair"), scorer, "fair")
        loop.ports.windows._tables.clear()

        run = judged(loop)

        assert run.state is ERROR
        assert f"there is nothing to judge on: {HOLDOUT_TABLE}: no such table" in last_reason(loop)
        assert unharmed(loop)

    def test_a_registry_that_stays_away_ends_the_run_without_a_verdict(
        self, registered, champions, tmp_path
    ):
        gone = replace(registered, uri=f"sqlite:///{tmp_path}/mlflow.db")
        scorer = RealScorer(gone, champions)
        loop = made(judging(scorer, regression(), "fair"), scorer, "fair")

        for _ in range(5):
            with pytest.raises(Unavailable, match="not there"):
                judged(loop)
        run = judged(loop)

        assert run.state is ERROR
        assert "judged 5 times without a verdict; last: the registry's database" in last_reason(
            loop
        )
        assert unharmed(loop)

    def test_a_registry_that_does_not_answer_in_time_is_asked_again(
        self, registered, champions, silent
    ):
        scorer = RealScorer(replace(registered, uri=silent), champions, seconds=3)
        loop = made(judging(scorer, regression(), "fair"), scorer, "fair")

        with pytest.raises(Unavailable, match="no answer in 3 s"):
            judged(loop)

        assert loop.run().state is State.JUDGING
        assert unharmed(loop)


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
