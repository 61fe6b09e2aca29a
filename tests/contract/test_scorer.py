"""What any Scorer does, and what the real one survives: models that end their process."""

import socket
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pytest

from shared.adapters.scoring.scorer import SubprocessScorer
from shared.adapters.scoring.scoring_probe import held
from shared.adapters.scoring.scoring_sources import locations
from shared.errors import DataError, Unavailable
from shared.ports import ModelVersion, Probe, Scorer
from tests.contract.scorer_models import KINDS, NAME, register_all
from tests.fakes.scoring import FakeScorer

ROWS = pa.table(
    {
        "coin_in": pa.array([1.5, 2.0, None, 4.0, 5.0]),
        "visits": pa.array([1, 2, 3, 4, 5], pa.int64()),
        "zone": pa.array(["a", "b", "a", "b", "a"]),
    }
)
ANYWHERE = ("good", "raises", "strings", "too_few", "nan", "fragile", "moody")
ACTUAL = np.array([3.0, 4.0, 7.0, 8.0, 11.0])
HELD = {"missing": "", "extreme": "", "column_order": "", "one_row": ""}


def _version(kind: str) -> ModelVersion:
    number = str(KINDS.index(kind) + 1) if kind in KINDS else kind
    return ModelVersion(NAME, number, "", "None", frozenset(), {}, "")


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A registry on SQLite that holds one version of each kind; its URI."""
    folder = tmp_path_factory.mktemp("registry")
    uri = f"sqlite:///{folder}/mlflow.db"
    with warnings.catch_warnings(record=True):  # MLflow's advice on saving: it resets the filters
        warnings.simplefilter("ignore")
        register_all(folder, uri)
    return uri


def _real(uri: str, *, seconds: float = 90, **settings: Any) -> SubprocessScorer:
    return SubprocessScorer(
        uri, seconds=seconds, **{"memory_mb": 1500, "locations": locations(uri), **settings}
    )


def _fake() -> FakeScorer:
    def raises(_):
        raise ValueError("a zone nobody knows")

    def fragile(rows):
        coins = rows["coin_in"].to_pylist()
        if all(coin is None for coin in coins):
            raise ValueError("no coin_in at all")
        return [
            visits * 2.0 + abs(coin or 0.0) * 10
            for visits, coin in zip(rows["visits"].to_pylist(), coins, strict=True)
        ]

    scorer = FakeScorer()
    given = {
        "good": lambda rows: [
            visits * 2.0 + (zone == "a")
            for visits, zone in zip(
                rows["visits"].to_pylist(), rows["zone"].to_pylist(), strict=True
            )
        ],
        "raises": raises,
        "strings": lambda rows: ["high"] * rows.num_rows,
        "too_few": lambda _: np.zeros(3),
        "nan": lambda _: [None, 1.0, 2.0, 3.0, float("inf")],
        "fragile": fragile,
        "moody": lambda rows: [
            each - np.mean(rows["visits"].to_pylist()) for each in rows["visits"].to_pylist()
        ],
    }
    for kind in ANYWHERE:
        scorer.answers(NAME, _version(kind).version, given[kind])
    return scorer


class TestAnyScorer:
    """The fake and the real one give the same answers."""

    @pytest.fixture(params=["fake", "subprocess"])
    def scorer(self, request: pytest.FixtureRequest) -> Scorer:
        return _fake() if request.param == "fake" else _real(request.getfixturevalue("registry"))

    def test_every_row_gets_a_number_and_nothing_is_timed_or_probed_unasked(self, scorer):
        scored = scorer.score(_version("good"), ROWS)

        assert scored.predictions.tolist() == [3, 4, 7, 8, 11]
        assert scored.predictions.dtype == np.float64
        assert scored.latencies_ms.size == 0
        assert (scored.importances, scored.probes) == ({}, {})

    def test_as_many_single_calls_are_timed_as_asked_for_even_above_the_rows(self, scorer):
        scored = scorer.score(_version("good"), ROWS, single_calls=30)

        assert scored.latencies_ms.shape == (30,)
        assert (scored.latencies_ms > 0).all()
        assert scored.predictions.size == 5

    def test_missing_and_infinite_answers_are_kept_for_the_gate_to_count(self, scorer):
        scored = scorer.score(_version("nan"), ROWS)

        assert np.isnan(scored.predictions[0])
        assert np.isinf(scored.predictions[4])

    @pytest.mark.parametrize(
        ("kind", "said"),
        [
            ("raises", "could not predict: ValueError: a zone nobody knows"),
            ("strings", "gave something else than numbers: str"),
            ("too_few", "gave 3 values for 5 rows"),
            ("99", "could not be loaded: "),
        ],
    )
    def test_what_is_wrong_with_a_version_is_said_in_one_line(self, scorer, kind, said):
        version = _version(kind)

        with pytest.raises(DataError) as caught:
            scorer.score(version, ROWS)

        assert str(caught.value).startswith(f"version {version.version} {said}")
        assert "\n" not in str(caught.value)
        assert caught.value.subject == f"models/{NAME}/versions/{version.version}"

    def test_a_feature_matters_by_what_the_metric_loses_when_it_is_shuffled(self, scorer):
        scored = scorer.score(_version("good"), ROWS, probe=Probe(ACTUAL, repeats=5))

        losses = scored.importances
        assert losses["visits"] > losses["zone"] > 0
        assert losses["coin_in"] == 0
        assert scored.probes == HELD

    def test_a_probe_says_in_text_what_a_version_cannot_take(self, scorer):
        scored = scorer.score(_version("fragile"), ROWS, probe=Probe(ACTUAL))

        assert scored.probes["missing"] == ("with coin_in missing: ValueError: no coin_in at all")
        assert scored.probes["extreme"] == "with coin_in at -1e+308: it answers inf"
        assert scored.probes["column_order"] == ""

    def test_an_answer_that_depends_on_the_rows_beside_it_is_found(self, scorer):
        scored = scorer.score(_version("moody"), ROWS, probe=Probe(ACTUAL))

        assert "rows get another answer asked for alone: " in scored.probes["one_row"]

    def test_answers_that_are_no_numbers_make_no_importance(self, scorer):
        scored = scorer.score(_version("nan"), ROWS, probe=Probe(ACTUAL))

        assert scored.importances.keys() == {"coin_in", "visits", "zone"}
        assert all(np.isnan(loss) for loss in scored.importances.values())
        assert "gave 5 values for 1 rows" in scored.probes["one_row"]

    def test_no_rows_are_refused(self, scorer):
        with pytest.raises(DataError, match="no rows"):
            scorer.score(_version("good"), ROWS.slice(0, 0))


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("segfault", "crashed with SIGSEGV while predicting"),
        pytest.param(
            "hungry",
            "was ended by the memory limit of 1500 MiB while predicting",
            marks=pytest.mark.skipif(sys.platform == "darwin", reason="macOS has no RLIMIT_AS"),
        ),
        ("leaves", "ended by itself while predicting, without an answer"),
        ("torn", "could not be loaded: "),
    ],
)
def test_a_version_that_ends_its_process_leaves_this_one_alone(registry, kind, said):
    with pytest.raises(DataError, match=said):
        _real(registry).score(_version(kind), ROWS)


def test_a_fault_while_loading_shows_no_traceback_and_no_secret(registry):
    with pytest.raises(DataError) as caught:
        _real(registry).score(_version("unloadable"), ROWS)

    assert "could not be loaded: ValueError: the weights at https://store/w?***" in str(
        caught.value
    )
    assert "Traceback" not in str(caught.value)
    assert len(str(caught.value)) <= 500


def test_a_version_that_hangs_is_ended_at_the_limit(registry, scratch):
    started = time.monotonic()

    with pytest.raises(DataError, match="took longer than 15 s while predicting"):
        _real(registry, seconds=15).score(_version("hang"), ROWS)

    assert time.monotonic() - started < 40
    assert _all_gone(scratch)


def test_a_version_that_a_probe_ends_keeps_its_answer_and_the_probe_says_so(registry):
    scored = _real(registry).score(_version("brittle"), ROWS, probe=Probe(ACTUAL))

    assert scored.predictions.tolist() == [1, 2, 3, 4, 5]
    assert scored.importances["visits"] > 0
    assert scored.probes == HELD | {
        "extreme": "no answer: crashed with SIGSEGV while probing extreme"
    }


def test_a_model_that_goes_by_the_place_of_a_column_is_found():
    frame = ROWS.select(["coin_in", "visits"]).slice(0, 2).to_pandas()

    said = held("column_order", lambda rows: rows.iloc[:, 1].to_numpy(float), frame, Probe(ACTUAL))

    assert said == ("1 of 2 rows get another answer with the columns in another order: 1 and 1.5")


def test_a_probe_that_takes_too_long_costs_the_probe_alone(registry):
    scored = _real(registry, seconds=15).score(_version("sleepy"), ROWS, probe=Probe(ACTUAL))

    assert scored.predictions.size == 5
    assert all(np.isnan(loss) for loss in scored.importances.values())
    assert set(scored.probes.values()) == {
        "no answer: took longer than 15 s while permuting features"
    }


def test_a_scored_version_reaches_no_network_not_even_this_machine(registry):
    with socket.create_server(("127.0.0.1", 0)) as server:
        rows = ROWS.set_column(1, "visits", pa.array([server.getsockname()[1]] * 5, pa.int64()))

        with pytest.raises(DataError, match=r"could not predict: (OSError|PermissionError): "):
            _real(registry).score(_version("calls_home"), rows)

        server.settimeout(0.1)
        with pytest.raises(TimeoutError):
            server.accept()


def test_where_there_is_no_namespace_pythons_sockets_are_refused():
    code = (
        "import socket\n"
        "from shared.adapters.scoring.scoring_limits import refuse_sockets\n"
        "refuse_sockets()\n"
        "socket.socketpair()\n"
        "for ask in (socket.socket, lambda: socket.getaddrinfo('localhost', 1)):\n"
        "    try:\n"
        "        ask()\n"
        "    except PermissionError as error:\n"
        "        print(error)\n"
    )

    said = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout

    assert said.splitlines() == ["a version that is scored gets no network"] * 2


def test_a_scored_version_cannot_fill_the_disk(registry):
    with pytest.raises(DataError, match=r"could not predict: OSError: .*File too large"):
        _real(registry, file_mb=16).score(_version("big_file"), ROWS)


def test_the_limits_hold_for_good(registry):
    answers = _real(registry, file_mb=16, processes=9).score(_version("limits"), ROWS).predictions

    assert answers[0] == 16 << 20
    assert 9 < answers[1] == answers[2] < 100_000
    assert answers[3] == 91


def test_a_version_whose_files_lie_elsewhere_is_not_fetched(registry, tmp_path):
    scorer = _real(registry, locations=locations(f"sqlite:///{tmp_path}/mlflow.db"))

    with pytest.raises(DataError, match=r"could not be loaded: its files lie at file:///.*keeps"):
        scorer.score(_version("good"), ROWS)


def test_where_pickles_are_refused_a_version_with_code_of_its_own_is_not_loaded(registry):
    with pytest.raises(DataError, match="ALLOW_PICKLED_MODELS is false: its MLmodel names model_"):
        _real(registry, allow_pickled=False).score(_version("segfault"), ROWS)


def test_a_description_that_cannot_be_read_is_the_versions_fault(registry):
    with pytest.raises(DataError, match="could not be loaded: its MLmodel cannot be read: "):
        _real(registry, allow_pickled=False).score(_version("garbled"), ROWS)


def test_what_a_model_starts_does_not_outlive_it(registry, scratch):
    scored = _real(registry).score(_version("leaves_child"), ROWS)

    assert scored.predictions.tolist() == [0] * 5
    assert _all_gone(scratch)


def test_the_model_is_told_no_secret_and_not_where_the_registry_is(registry, monkeypatch):
    monkeypatch.setenv("SCORER_TEST_SECRET", "s3cret")
    scorer = SubprocessScorer(
        registry,
        memory_mb=1500,
        seconds=90,
        credentials=lambda: {"MLFLOW_TRACKING_TOKEN": "t0ken"},
    )

    scored = scorer.score(_version("spy"), ROWS)

    assert scored.predictions.tolist() == [0] * 5


def test_of_two_probabilities_a_row_the_positive_classs_is_taken(registry):
    assert _real(registry).score(_version("probabilities"), ROWS).predictions.tolist() == [0.75] * 5


def test_a_column_of_another_type_than_the_signatures_is_the_versions_fault(registry):
    broken = ROWS.set_column(1, "visits", pa.array([1.5, 2, 3, 4, 5]))

    with pytest.raises(DataError, match=r"could not predict: .*Incompatible input types"):
        _real(registry).score(_version("good"), broken)


def test_a_registry_that_is_not_there_is_unavailable_and_is_not_made(tmp_path):
    store = tmp_path / "mlflow.db"

    with pytest.raises(Unavailable, match="not there"):
        _real(f"sqlite:///{store}").score(_version("good"), ROWS)

    assert not store.exists()


def test_a_registry_that_refuses_connections_is_unavailable(unused_port):
    scorer = SubprocessScorer(
        f"http://user:pa55@127.0.0.1:{unused_port}",
        memory_mb=1500,
        seconds=90,
        credentials=lambda: {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"},
    )

    with pytest.raises(Unavailable) as caught:
        scorer.score(_version("good"), ROWS)

    assert "pa55" not in str(caught.value)
    assert caught.value.retry


@pytest.fixture
def unused_port() -> Iterator[int]:
    """A port that is bound and not listened on: connections are refused, nobody else takes it."""
    import socket

    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder the scorer works in, so that its processes can be told from others'."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def _all_gone(folder: Path) -> bool:
    """Say whether nothing runs any more that names ``folder``; a killed process takes a moment."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if not any(str(folder) in " ".join(line) for line in _command_lines()):
            return not list(folder.iterdir())
        time.sleep(0.05)
    return False


def _command_lines() -> list[list[str]]:
    return [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
