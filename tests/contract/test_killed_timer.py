"""A worker that is killed in the middle of the timer, for real: what it leaves in Table storage."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from azure.data.tables import TableClient, TableServiceClient

from shared.adapters.storage.table_marks import TableMarks
from shared.handlers import messages
from shared.handlers.check_backlog import DONE, CheckBacklog
from tests.fakes.clock import START, FakeClock
from tests.fakes.queues import FakeQueues

ROOT = Path(__file__).parents[2]
MODELS = [f"model-{number}" for number in range(12)]
WORKER = """
import os, sys
from azure.data.tables import TableClient
from shared.adapters.storage.table_marks import TableMarks
from shared.handlers import check_drift
from shared.handlers.check_drift import CheckResult, DriftDeps, check_all
from tests.fakes.clock import START
from tests.fakes.queues import FakeQueues
from tests.fakes.samples import catalogue_of, model_document

connection, table, *names = sys.argv[1:]
done = []

def check(deps, model, now):
    done.append(model.name)
    if len(done) == 6:
        os._exit(9)
    return CheckResult(model.name, "1", ("1",), "c", "NO_TRIGGER", "HEALTHY", (), "")

check_drift._check = check
marks = TableMarks(TableClient.from_connection_string(connection, table))
deps = DriftDeps(*(None,) * 4, FakeQueues(), None, None, marks, dict)
models = catalogue_of(*(model_document(name) for name in names)).models
check_all(deps, models, START, concurrency=2)
"""


@pytest.fixture
def table(azurite_connection: str):
    name = f"t{uuid4().hex[:20]}"
    yield name
    with TableServiceClient.from_connection_string(azurite_connection) as service:
        service.delete_table(name)


def test_what_a_killed_worker_left_is_queued_by_another_and_what_it_did_is_not(
    azurite_connection: str, table: str
):
    command = [sys.executable, "-c", WORKER, azurite_connection, table, *MODELS]
    killed = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, timeout=120)
    marks = TableMarks(TableClient.from_connection_string(azurite_connection, table))
    queues = FakeQueues(FakeClock())

    backlog = CheckBacklog(marks, queues)
    sent = backlog.send_overdue(MODELS, START + timedelta(hours=1), timedelta(minutes=15))

    done = set(marks.group(DONE))
    queued = [message["model"] for message in queues.visible(messages.DRIFT_CHECKS)]
    marks.close()
    assert killed.returncode == 9, killed.stderr
    assert 4 <= len(done) <= 5
    assert sent == len(queued) == len(MODELS) - len(done)
    assert set(queued) == set(MODELS) - done
