"""``loop ready`` as a person uses it, and what it looks at beside the app's own stores."""

import json
import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from local import ready_command
from local.cli import app as cli
from local.surroundings import INFRA, alert_rules, follow, surroundings
from shared.config import load_settings
from shared.domain.readiness.checklist import Report
from shared.domain.readiness.facts import Unknown
from shared.domain.readiness.line import Line, Status
from shared.errors import Unavailable
from tests.fakes.clock import FakeClock
from tests.fakes.samples import MODEL, catalogue_of, model_document

NOW = datetime(2013, 8, 8, 6, tzinfo=UTC)
FLIGHTS = "flight-arrival-delay"


def model(**changes: Any) -> Any:
    return catalogue_of(model_document(**changes)).models[0]


def infra(folder: Path, **changes: Any) -> Path:
    """Give a copy of the rules that holds the drift rule alone, changed."""
    for name in ("alert-rules.json", "alert-rules.schema.json", "log-table.json"):
        shutil.copy(INFRA / name, folder / name)
    file = folder / "alert-rules.json"
    document = json.loads(file.read_text(encoding="utf-8"))
    (rule,) = (each for each in document["rules"] if each["name"] == "retrain-loop-drift")
    document["rules"] = [rule | changes]
    file.write_text(json.dumps(document), encoding="utf-8")
    return folder


class World:
    """An app that gives one report."""

    def __init__(self, *statuses: Status) -> None:
        lines = tuple(
            Line(f"Check {n}", s, f"found {n}", "mend it") for n, s in enumerate(statuses)
        )
        self.report = Report(MODEL, "2", NOW, lines)
        self.settings = SimpleNamespace(
            teams_webhook_url=SimpleNamespace(get_secret_value=lambda: "")
        )
        self.catalogue = catalogue_of()
        self.clock = FakeClock(NOW)
        self.write_card = SimpleNamespace(again=lambda model: {"model_card": {"sha256": "ab"}})
        self.asked: list[str] = []

    def check_readiness(self, name: str, around: Any) -> Report:
        self.asked.append(name)
        return self.report


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Any:
    def asked(world: Any, *arguments: str) -> Any:
        monkeypatch.setattr(ready_command, "_app", lambda console: world)
        return CliRunner().invoke(cli, ["ready", *arguments], env={"COLUMNS": "120"})

    return asked


def test_the_exit_status_is_0_only_where_nothing_fails(run: Any):
    assert run(World(Status.PASS, Status.SKIP), MODEL).exit_code == 0
    assert run(World(Status.PASS, Status.FAIL), MODEL).exit_code == 1


def test_the_table_shows_each_line_with_what_was_found_and_what_to_do(run: Any):
    done = run(World(Status.FAIL, Status.SKIP), MODEL)

    shown = " ".join(done.output.split())
    assert "Check 0 FAIL found 0" in shown
    assert "to do: mend it" in done.output
    assert "NOT READY" in done.output
    assert "0 pass, 1 fail, 1 skip" in shown


def test_the_json_holds_every_line_and_goes_alone_to_standard_output(run: Any, tmp_path: Path):
    written = tmp_path / "report.json"

    to_file = run(World(Status.PASS), MODEL, "--json", str(written))
    to_output = run(World(Status.PASS), MODEL, "--json", "-")

    document = json.loads(written.read_text(encoding="utf-8"))
    assert document["lines"] == [
        {"check": "Check 0", "status": "PASS", "found": "found 0", "remedy": "mend it"}
    ]
    assert json.loads(to_output.stdout) == document
    assert "READY" in to_file.stdout
    assert "READY" in to_output.stderr


def test_trouble_is_one_sentence_and_status_2(run: Any, tmp_path: Path):
    world = World(Status.PASS)

    unknown = run(world, "nobody")
    nowhere = run(world, MODEL, "--json", str(tmp_path / "no" / "report.json"))

    assert (unknown.exit_code, nowhere.exit_code) == (2, 2)
    assert "model 'nobody' is not in the catalogue" in unknown.output
    assert world.asked == []


def test_a_store_that_is_silent_is_trouble_too(run: Any):
    class Silent(World):
        def check_readiness(self, name: str, around: Any) -> Report:
            raise Unavailable("no storage")

    done = run(Silent(), MODEL)

    assert (done.exit_code, "no storage" in done.output) == (2, True)


def test_mlflow_is_told_to_give_up_soon_while_somebody_waits_and_no_longer(
    run: Any, monkeypatch: pytest.MonkeyPatch
):
    retries = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
    monkeypatch.delenv(retries, raising=False)
    seen: list[str | None] = []

    class Asked(World):
        def check_readiness(self, name: str, around: Any) -> Report:
            seen.append(os.environ.get(retries))
            return self.report

    run(Asked(Status.PASS), MODEL)
    after = os.environ.get(retries)
    monkeypatch.setenv(retries, "5")
    run(Asked(Status.PASS), MODEL)

    assert (seen, after) == (["2", "5"], None)


def test_a_defect_is_not_taken_for_a_line_that_fails(run: Any):
    class Broken(World):
        def check_readiness(self, name: str, around: Any) -> Report:
            raise ZeroDivisionError

    assert run(Broken(), MODEL).exit_code == 2


def test_the_card_is_written_before_the_lines_where_that_is_asked_for(run: Any):
    done = run(World(Status.PASS), MODEL, "--write-card")

    assert done.exit_code == 0
    assert '"sha256": "ab"' in done.output


@pytest.mark.filterwarnings(
    "ignore::sqlalchemy.exc.SADeprecationWarning",
    "ignore::DeprecationWarning:mlflow",
    "ignore::FutureWarning:mlflow",
)
def test_settings_of_the_environment_lead_to_real_stores(
    azurite_connection: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    guid = "0a1b2c3d-0a1b-4a1b-8a1b-0a1b2c3d4e5f"
    environment = {
        "AzureWebJobsStorage": azurite_connection,
        "AUTH_MODE": "local",
        "LOCAL_TOKEN": "token",
        "LAKEHOUSE_URI": f"{tmp_path}/lakehouse/{{lakehouse}}",
        "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db",
        "FABRIC_API_URL": "http://127.0.0.1:9",
        "LOGS_INGESTION_ENDPOINT": "http://127.0.0.1:9",
        "LOGS_INGESTION_RULE_ID": "dcr-1",
        "FABRIC_WORKSPACE_ID": guid,
        "FLIGHTS_PIPELINE_ID": guid,
        "SLOT_REVENUE_PIPELINE_ID": guid,
        "COLUMNS": "120",
    }
    monkeypatch.setattr(ready_command, "find_endpoints", lambda: None)

    done = CliRunner().invoke(cli, ["ready", FLIGHTS, "--json", "-"], env=environment)

    assert done.exit_code == 1, done.output
    lines = {line["check"]: line for line in json.loads(done.stdout)["lines"]}
    assert lines["Registry reachable"]["status"] == "PASS"
    assert lines["Champion serves"]["found"].startswith("not known: NoChampion")
    assert "is not there" in lines["Tables and schemas"]["found"]
    assert lines["Audit holds"]["found"] == "the ledger has no row of this model"
    assert lines["Alert rule"]["status"] == "PASS"
    assert lines["Notification channel"]["status"] == "FAIL"


def test_the_repository_s_own_rule_covers_every_model():
    assert "retrain-loop-drift" in alert_rules(model(name="any-model"), NOW)


@pytest.mark.parametrize(
    "changes",
    [
        {"enabled": False},
        {"threshold": 2},
        {"filters": [{"column": "model_name", "operator": "==", "value": "another"}]},
        {"dimensions": []},
    ],
    ids=["switched off", "never over its threshold", "about another model", "names no model"],
)
def test_a_rule_that_would_not_lead_back_to_the_model_covers_nothing(changes: Any, tmp_path: Path):
    assert alert_rules(model(), NOW, infra(tmp_path, **changes)) == ()


def test_a_rule_that_the_model_claims_covers_it_without_naming_it(tmp_path: Path):
    claimed = model(alert_rules=[{"rule": "retrain-loop-drift"}])

    assert alert_rules(claimed, NOW, infra(tmp_path, dimensions=[])) == ("retrain-loop-drift",)


def test_rules_that_cannot_be_read_are_unknown(tmp_path: Path):
    gone = alert_rules(model(), NOW, tmp_path)
    (infra(tmp_path) / "alert-rules.json").write_text("{")

    assert isinstance(gone, Unknown)
    assert isinstance(alert_rules(model(), NOW, tmp_path), Unknown)


class Pages(BaseHTTPRequestHandler):
    """Answers by the number in the path; 405 only to HEAD."""

    def do_HEAD(self) -> None:
        self._answer(int(self.path[1:4]))

    def do_GET(self) -> None:
        self._answer(200)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def site() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("status", "found", "told"),
    [(200, True, "answers"), (404, False, "answers 404"), (401, None, "asks for a sign-in"),
     (403, None, "asks for a sign-in"), (405, True, "answers"), (500, False, "answers 500")],
)  # fmt: skip
def test_a_runbook_s_address_is_asked(site: str, status: int, found: bool | None, told: str):
    link = follow(f"{site}/{status}")

    assert link.found is found
    assert link.told.startswith(told)


def test_an_address_that_does_not_answer_is_not_found(site: str):
    assert follow("http://127.0.0.1:9/runbook").told == "no answer (ConnectionError)"


@pytest.mark.parametrize(
    ("link", "found"),
    [("docs/runbook.md", True), ("docs/runbook.md#poison-queues", True), ("docs", False),
     ("docs/nothing.md", False), ("", False)],
)  # fmt: skip
def test_a_runbook_in_the_project_is_a_file_of_it(link: str, found: bool):
    assert follow(link).found is found


def test_a_channel_is_one_that_people_read():
    given = {
        "AzureWebJobsStorage": "UseDevelopmentStorage=true", "LAKEHOUSE_URI": "x",
        "MLFLOW_TRACKING_URI": "sqlite:///x", "LOGS_INGESTION_ENDPOINT": "https://logs.example.com",
        "LOGS_INGESTION_RULE_ID": "r",
    }  # fmt: skip
    webhook = {"TEAMS_WEBHOOK_URL": "https://teams.example.com/secret"}
    described = model(runbook="docs/runbook.md")

    assert not surroundings(described, load_settings(given), NOW).notices
    assert surroundings(described, load_settings(given | webhook), NOW).notices
