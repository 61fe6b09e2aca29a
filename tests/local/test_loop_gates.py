"""``loop gates`` on a real registry and a real lakehouse: what it says, writes and exits with."""

import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from rich.console import Console
from typer.testing import CliRunner

from local import gates_command
from local.cli import app
from shared.errors import ConfigError
from tests.fakes.samples import HOLDOUT_TABLE, MODEL, holdout_rows, model_document

pytestmark = pytest.mark.xdist_group("loop-gates")  # one worker makes the versions, once

LONELY = "lonely-delay"
"""A model without a champion and without a challenger."""
VERSIONS = {"champion": "1", "challenger": "2", "worse": "3", "broken": "4"}

# MLflow's "models from code": the scoring process runs this text
CODE = """
import mlflow

class Model(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        self.kind = context.model_config["kind"]

    def predict(self, context, model_input, params=None):
        if self.kind == "broken":
            raise ValueError("a distance nobody flies")
        answer = model_input["distance"] + 10
        return answer * 0 + answer.mean() if self.kind == "worse" else answer

mlflow.models.set_model(Model())
"""


@dataclass(frozen=True)
class Place:
    """A registry, a lakehouse and the settings that name them."""

    folder: Path
    settings: Mapping[str, str]

    def files(self) -> dict[str, Any]:
        """Give every file with its time of change, what the registry holds as its content."""
        return {
            str(path): (path.read_bytes() if path.suffix == ".db" else path.stat().st_mtime_ns)
            for path in sorted(self.folder.rglob("*"))
            if path.is_file()
        }


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("place")
    until = datetime.now(UTC)
    rows = [
        {**row, "delay": row["delay"] + place % 3 - 1}
        for place, row in enumerate(holdout_rows(until, 300))
    ]
    table = folder / "lakehouse" / HOLDOUT_TABLE.replace(".", "/")
    write_deltalake(table, pa.Table.from_pylist(rows))
    uri = f"sqlite:///{folder}/mlflow.db"
    with warnings.catch_warnings(record=True):  # MLflow's advice on saving: it resets the filters
        warnings.simplefilter("ignore")
        register(folder, uri, until - timedelta(days=30))
    gates = {
        "performance": {"floor": 0.5},
        "latency": {"calls": 100, "p99_ms": 5000.0},
        "min_rows": 50,
        "robustness": {"probes": []},
    }
    models = [model_document(gates=gates), model_document(LONELY, gates=gates)]
    catalogue = folder / "models.yaml"
    catalogue.write_text(json.dumps({"version": 1, "models": models}), encoding="utf-8")
    settings = {
        "MODELS_FILE": str(catalogue),
        "LAKEHOUSE_URI": f"{folder}/lakehouse/{{lakehouse}}",
        "MLFLOW_TRACKING_URI": uri,
    }
    return Place(folder, settings)


def register(folder: Path, uri: str, trained: datetime) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    tags = {
        "retrain_run_id": "run-1",
        "training_data_table": "lh_gold.flights",
        "training_data_version": "12",
        "training_end": trained.isoformat(),
        "git_sha": "c0ffee0",
        "requirements": "scikit-learn==1.9.1",
        "holdout_table": HOLDOUT_TABLE,
        "holdout_version": "0",
    }
    for name in (MODEL, LONELY):
        client.create_registered_model(name)
    for kind in VERSIONS:
        client.create_model_version(MODEL, source=saved(folder, kind), tags=tags)
    client.create_model_version(LONELY, source=saved(folder, "lonely"), tags=tags)
    for role in ("champion", "challenger"):
        client.set_registered_model_alias(MODEL, role, VERSIONS[role])


def saved(folder: Path, kind: str) -> str:
    import mlflow
    from mlflow.types.schema import ColSpec, Schema

    code = folder / "model.py"
    code.write_text(CODE, encoding="utf-8")
    mlflow.pyfunc.save_model(
        folder / kind,
        python_model=str(code),
        model_config={"kind": kind},
        signature=mlflow.models.ModelSignature(inputs=Schema([ColSpec("double", "distance")])),
        pip_requirements=["mlflow"],
    )
    return (folder / kind).as_uri()


@pytest.fixture(autouse=True)
def no_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gates_command, "find_endpoints", lambda: None)


def gates(place: Place, *arguments: str, **settings: str) -> Any:
    """Run the command; ``settings`` are laid over the place's."""
    given = {**place.settings, **settings, "COLUMNS": "200"}
    return CliRunner(env=given).invoke(app, ["gates", *arguments], catch_exceptions=False)


@pytest.fixture(scope="module")
def passed(place: Place) -> tuple[Any, Place, dict[str, Any]]:
    """The challenger's judgement with both reports, and what was stored before it."""
    out = place.folder.with_name("reports")
    out.mkdir()
    before = place.files()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gates_command, "find_endpoints", lambda: None)
        files = ("--json", str(out / "gates.json"), "--html", str(out / "gates.html"))
        return gates(place, "--model", MODEL, *files), Place(out, {}), before


def test_a_challenger_that_passes_every_gate_exits_with_0(passed):
    done, _, _ = passed

    assert done.exit_code == 0, done.output
    assert "PASS  flight-delay version 2, champion 1, 300 rows set aside" in done.output
    assert "performance" in done.output


def test_the_reports_are_written_and_agree(passed):
    _, reports, _ = passed

    document = json.loads((reports.folder / "gates.json").read_text("utf-8"))
    page = (reports.folder / "gates.html").read_text("utf-8")

    assert (document["verdict"], document["model_version"]) == ("PASS", "2")
    assert document["run_id"] == ""
    assert "<h1>Passed</h1>" in page
    for gate in document["gates"]:
        if gate["value"] is not None:
            assert f'<data value="{gate["value"]}">' in page


def test_judging_changes_neither_registry_nor_tables(place, passed):
    _, _, before = passed

    assert place.files() == before


def test_a_gate_that_says_no_exits_with_1_and_standard_output_is_json_alone(place):
    done = gates(place, "--model", MODEL, "--version", VERSIONS["worse"], "--json", "-")

    assert done.exit_code == 1, done.output
    document = json.loads(done.stdout)
    assert document["verdict"] == "FAIL"
    assert "performance" in done.stderr
    assert "to do:" in done.stderr


def test_a_gate_that_does_not_know_exits_with_2(place):
    done = gates(place, "--model", MODEL, "--version", VERSIONS["broken"])

    assert done.exit_code == 2
    assert "a distance nobody flies" in done.output
    assert "ERROR  flight-delay version 4" in done.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--model", "unknown"), "model 'unknown' is not in the catalogue"),
        (("--model", LONELY), "no version is the challenger: name one"),
        (("--model", MODEL, "--version", "99"), "version 99"),
        (("--model", MODEL, "--html", "/nowhere/gates.html"), "in one that is not there"),
        (("--version", "1"), "--model"),
    ],
)
def test_trouble_is_one_line_and_exits_with_2(place, arguments, said):
    done = gates(place, *arguments)

    assert done.exit_code == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_settings_that_name_no_lakehouse_are_trouble(place):
    done = gates(place, "--model", MODEL, LAKEHOUSE_URI="")

    assert done.exit_code == 2
    assert "LAKEHOUSE_URI" in done.stderr


def test_a_registry_that_is_not_there_is_trouble_and_is_not_made(place, tmp_path):
    away = tmp_path / "mlflow.db"

    done = gates(place, "--model", MODEL, MLFLOW_TRACKING_URI=f"sqlite:///{away}")

    assert done.exit_code == 2
    assert f"MLFLOW_TRACKING_URI: {away} is not there" in done.stderr
    assert not away.exists()


def test_fabric_s_own_registry_is_asked_where_fabric_is(place, monkeypatch):
    uri = "fabric://11111111-1111-1111-1111-111111111111"
    monkeypatch.delenv("FABRIC_API_URL", raising=False)
    for name, value in {**place.settings, "MLFLOW_TRACKING_URI": uri}.items():
        monkeypatch.setenv(name, value)

    asked = gates_command._app(Console()).settings

    assert asked.fabric_registry == uri.removeprefix("fabric://")
    assert asked.fabric_url == "https://api.fabric.microsoft.com/v1"


def test_a_defect_is_trouble_and_never_a_gate_s_no(place, monkeypatch):
    def broken(*_):
        raise RuntimeError("nobody thought of this")

    monkeypatch.setattr(gates_command, "_show", broken)
    monkeypatch.setattr(gates_command, "_app", lambda _: _Judge())

    done = gates(place, "--model", MODEL)

    assert done.exit_code == 2
    assert "nobody thought of this" in done.stderr


class _Judge:
    def judge_version(self, *_: str) -> None:
        return None


def test_a_running_stack_s_settings_are_taken(place, monkeypatch):
    class Running:
        scenario = "flights"
        environment = {"MODELS_FILE": "of the stack"}  # noqa: RUF012 - nobody changes it

    monkeypatch.setattr(gates_command, "find_endpoints", Running)

    done = gates(place, "--model", MODEL)

    assert done.exit_code == 2
    assert "on the running local stack, scenario flights" in done.output
    assert "the app settings are not right" in done.stderr
    assert ConfigError.__name__ not in done.stderr
