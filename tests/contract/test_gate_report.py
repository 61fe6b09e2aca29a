"""What a judgement leaves, on the real registry and in the real tables."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow import MlflowClient

from shared.adapters.delta.delta_tables import DeltaTables
from shared.adapters.delta.lakehouse import Lakehouse
from shared.adapters.gate_page import HtmlGatePage
from shared.adapters.registry.mlflow_registry import MlflowRegistry
from shared.domain.gates.fairness_rows import TABLE, fairness_rows
from shared.domain.gates.report import Judgement
from shared.handlers.attach_report import DOCUMENT, PAGE, AttachReport
from tests.local.judgements import judgement


@pytest.fixture(scope="module")
def judged() -> Judgement:
    return judgement()


def test_both_files_are_among_the_version_s_artifacts(tmp_path: Path, judged: Judgement):
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    experiment = client.create_experiment("training", (tmp_path / "files").as_uri())
    run_id = client.create_run(experiment).info.run_id
    name = judged.judged.model_name
    client.create_registered_model(name)
    made = client.create_model_version(name, "file:///source", run_id)
    found = replace(judged, judged=replace(judged.judged, model_version=str(made.version)))

    told = AttachReport(MlflowRegistry(uri), HtmlGatePage())(found)

    for file in (DOCUMENT, PAGE):
        content = Path(client.download_artifacts(run_id, file, str(tmp_path))).read_bytes()
        assert told[file]["sha256"] == hashlib.sha256(content).hexdigest()
    assert json.loads((tmp_path / DOCUMENT).read_text("utf-8")) == found.document
    assert "<h1>" in (tmp_path / PAGE).read_text("utf-8")


def test_the_fairness_rows_are_written_once_and_read_as_they_were_measured(
    tmp_path: Path, judged: Judgement
):
    tables = DeltaTables(Lakehouse(f"{tmp_path}/{{lakehouse}}"))
    rows = fairness_rows(judged.judged, judged.results, judged.model)

    wrote = [tables.append(TABLE, rows, writer="gates:run-1", batch=1) for _ in range(2)]

    assert wrote == [True, False]
    stored = tables.read(TABLE, {"run_id": "run-1"})
    assert sorted(stored, key=lambda row: row["metric_name"]) == sorted(
        rows, key=lambda row: row["metric_name"]
    )
