"""The ``loop`` command as a person uses it: a stack kept running, asked, and stopped."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from local.client import wait_for
from local.node import tools_folder
from tests.documents import alert_body

pytestmark = [pytest.mark.loop, pytest.mark.timeout(300), pytest.mark.xdist_group("cli")]

LOOP = Path(sys.executable).with_name("loop")
MODEL = "casino-slot-revenue-forecast-gbt"


def environment(home: Path) -> dict[str, str]:
    return {
        **os.environ,
        "RETRAIN_LOOP_HOME": str(home),
        "RETRAIN_LOOP_TOOLS": str(tools_folder()),
        "COLUMNS": "200",
    }


def loop(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(LOOP), *arguments],
        env=environment(home),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@contextmanager
def stack_in(folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Run ``loop up`` until the block ends; whatever it became of, nothing is left."""
    with (folder / "up.log").open("w") as log:
        process = subprocess.Popen(
            [str(LOOP), "up", "--scenario", "slot-revenue"],
            env=environment(folder),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_for(
                "the stack", lambda: "running;" in (folder / "up.log").read_text(), seconds=120
            )
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    with stack_in(folder):
        yield folder


def test_status_tells_where_everything_runs_and_that_the_app_is_ready(home):
    done = loop(home, "status")

    assert done.returncode == 0
    assert '"status": "ready"' in done.stdout
    assert MODEL in done.stdout


def test_ready_answers_the_checklist_with_what_the_running_stack_holds(home):
    done = loop(home, "ready", MODEL, "--json", "-")

    report = json.loads(done.stdout)
    lines = {line["check"]: line for line in report["lines"]}
    passed = {name for name, line in lines.items() if line["status"] == "PASS"}
    assert (done.returncode, report["ready"], report["version"]) == (1, False, "1")
    assert {"Champion serves", "Signature", "Cost tags", "Alert rule", "Runbook"} <= passed
    assert lines["Model card"]["found"] == "version 1 has no card in ml_model_cards"
    assert "NOT READY" in done.stderr


def test_the_endpoints_file_is_for_its_owner_alone(home):
    file = home / "endpoints.json"

    assert file.stat().st_mode & 0o077 == 0
    assert json.loads(file.read_text())["scenario"] == "slot-revenue"


def test_an_alert_that_is_not_ours_is_taken_and_said_to_be_ignored(home, tmp_path):
    payload = tmp_path / "alert.json"
    payload.write_bytes(alert_body(model="another-model"))

    done = loop(home, "alert", str(payload))

    assert done.returncode == 0
    assert "ignored" in done.stdout


def test_an_alert_that_cannot_be_read_is_refused_with_status_1(home, tmp_path):
    payload = tmp_path / "alert.json"
    payload.write_text("{")

    done = loop(home, "alert", str(payload))

    assert done.returncode == 1
    assert "400" in done.stdout


def test_a_stale_alert_shows_in_the_runs_and_in_the_audit_whose_chain_holds(home, tmp_path):
    payload = tmp_path / "alert.json"
    payload.write_bytes(alert_body(model=MODEL))

    posted, runs = loop(home, "alert", str(payload)), loop(home, "runs")
    audit = loop(home, "audit", MODEL)

    assert posted.returncode == 0
    assert "stale" in runs.stdout
    assert audit.returncode == 0
    assert "the chain holds" in audit.stdout


def test_a_name_that_has_no_chain_is_not_said_to_hold(home):
    for command in (["audit", "fligths"], ["audit", "verify", "fligths"]):
        done = loop(home, *command)

        assert done.returncode == 2
        assert "there is no model and no chain 'fligths'" in done.stdout


def test_a_second_stack_is_refused_and_told_how_to_stop_the_first(home):
    done = loop(home, "up", "--scenario", "slot-revenue")

    assert done.returncode == 2
    assert "loop down" in done.stdout


def test_down_stops_every_server_and_leaves_nothing_behind(tmp_path):
    with stack_in(tmp_path) as process:
        servers = psutil.Process(process.pid).children(recursive=True)

        done = loop(tmp_path, "down")

        assert done.returncode == 0
        assert process.wait(30) == 0
    assert servers
    assert psutil.wait_procs(servers, timeout=10)[1] == []
    assert not (tmp_path / "endpoints.json").exists()


def test_a_stack_that_was_killed_leaves_no_server_and_is_not_taken_for_running(tmp_path):
    with stack_in(tmp_path) as process:
        servers = psutil.Process(process.pid).children(recursive=True)

        process.kill()
        process.wait()

    assert psutil.wait_procs(servers, timeout=20)[1] == []
    done = loop(tmp_path, "status")
    assert done.returncode == 2
    assert "no stack runs" in done.stdout


def test_asking_where_no_stack_runs_says_how_to_start_one(tmp_path):
    for command in (["status"], ["runs"], ["audit", MODEL]):
        done = loop(tmp_path, *command)

        assert done.returncode == 2
        assert "loop up" in done.stdout
    assert "no stack runs" in loop(tmp_path, "down").stdout


def test_an_unknown_scenario_is_named_with_those_there_are(tmp_path):
    done = loop(tmp_path, "demo", "--scenario", "weather")

    assert done.returncode == 2
    assert "flights, slot-revenue" in done.stdout


def test_a_registry_that_cannot_be_reached_is_said_plainly(tmp_path):
    started = time.monotonic()
    done = subprocess.run(
        [str(LOOP), "demo", "--scenario", "slot-revenue"],
        env={
            **environment(tmp_path),
            "RETRAIN_LOOP_TOOLS": str(tmp_path / "empty"),
            "npm_config_registry": "http://127.0.0.1:9",
            "npm_config_fetch_retries": "0",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert done.returncode == 2
    assert "registry" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert time.monotonic() - started < 60
