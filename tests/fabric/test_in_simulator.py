"""A pipeline of infra/fabric as the Fabric simulator runs it: started over REST, unchanged."""

import sys
import time

import pytest
import requests

from local.notebook_runner import execute
from local.processes import free_port, start_process, wait_until_ready
from shared.adapters.delta.delta_tables import DeltaTables
from shared.adapters.delta.lakehouse import Lakehouse
from tests.fabric.items import FABRIC, ROOT, notebook, platform
from tests.fabric.lakeside import ACTUALS, DAY, MODEL, PREDICTIONS, RUN_ID, SLOPES, facts

pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning"),
    pytest.mark.xdist_group("lakeside"),  # one worker makes the registry for all
]

WORKSPACE = "77777777-7777-7777-7777-777777777777"
PIPELINE = platform("pl_compare_versions.DataPipeline")["config"]["logicalId"]
COMPARISONS = "lh_gold.ml_champion_challenger"
GIVEN = {
    "run_id": RUN_ID, "model": MODEL, "champion_version": "1", "challenger_version": "2",
    "first_day": "2026-05-01", "last_day": "2026-05-01", "as_of": "2026-05-09T00:00:00+00:00",
    "predictions": PREDICTIONS, "actuals": ACTUALS, "id_column": "id", "timestamp_column": "at",
    "actual_column": "y", "actual_timestamp_column": "known_at", "min_rows": 50,
}  # fmt: skip


@pytest.fixture
def simulator(lakeside, tmp_path):
    """The simulator on the items that are deployed; gives the pipeline's jobs URL."""
    port = free_port()
    argv = [
        sys.executable, "-m", "local.fabric_simulator", "--port", str(port), "--items", str(FABRIC),
        "--workspace-id", WORKSPACE, "--state", str(tmp_path / "state"), "--queue-seconds", "0.05",
        "--lakehouse-root", str(lakeside.root), "--mlflow-tracking-uri", lakeside.tracking_uri,
    ]  # fmt: skip
    environment = {"PYTHONPATH": str(ROOT)}
    with start_process("fabric", argv, log=tmp_path / "log", env=environment) as process:
        url = f"http://127.0.0.1:{port}"
        wait_until_ready(process, f"{url}/_simulator/health")
        yield f"{url}/v1/workspaces/{WORKSPACE}/items/{PIPELINE}/jobs/instances"


def run(jobs, **parameters):
    """Start the pipeline as the app does and wait for its end."""
    head = {"Authorization": "Bearer a-token"}
    body = {"executionData": {"parameters": parameters}}
    started = requests.post(f"{jobs}?jobType=Pipeline", json=body, headers=head, timeout=10)
    assert started.status_code == 202, started.text
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        job = requests.get(started.headers["Location"], headers=head, timeout=10).json()
        if job["status"] not in {"NotStarted", "InProgress"}:
            return job
        time.sleep(0.1)
    raise AssertionError("the job did not end")


def test_the_comparing_pipeline_writes_its_day(simulator, lakeside, tmp_path):
    execute(notebook("create_tables"), {"only": COMPARISONS})
    rows = facts(0)
    answered = rows[["id", "at", "day", "x"]].assign(
        answer=SLOPES["1"] * rows["x"], model_version="1"
    )
    lakeside.append(PREDICTIONS, answered)
    lakeside.append(ACTUALS, rows[["id", "y"]].assign(known_at=rows["at"] + DAY))

    job = run(simulator, **GIVEN)

    log = "\n".join(path.read_text("utf-8") for path in (tmp_path / "state").rglob("*stderr*"))
    assert job["status"] == "Completed", log
    (row,) = DeltaTables(Lakehouse(f"{lakeside.root}/{{lakehouse}}")).read(COMPARISONS)
    assert (row["run_id"], row["rows_scored"], row["challenger_won"]) == (RUN_ID, 120, True)
