"""How the doctor looks at a deployment: one check, all of them, and the command."""

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from local import cli, doctor_command
from local.doctor.findings import AT_ONCE, Finding, Status, examine, fail, fit, one, skip, warn
from local.doctor.plan import Where, look
from shared.errors import NotFound, Refused, Throttled, Unavailable
from tests.documents import catalogue_document
from tests.local.doctor_worlds import (
    SECRET,
    SETTINGS,
    check,
    raising,
)

# --- one check, and many ---


@pytest.mark.parametrize(
    ("error", "status", "remedy"),
    [
        (skip("why"), Status.SKIP, ""),
        (warn("why", "do this"), Status.WARN, "do this"),
        (fail("why", "do this"), Status.FAIL, "do this"),
        (Refused("403"), Status.FAIL, "take the role"),
        (NotFound("404"), Status.FAIL, "take the id"),
        (Unavailable("gone"), Status.FAIL, "can it be reached from here"),
        (Throttled("429", retry_after=7), Status.FAIL, "try again in 7 s"),
    ],
)
def test_every_trouble_has_its_remedy(error: Exception, status: Status, remedy: str):
    finding = one(check(raising(error), refused="take the role", missing="take the id"))

    assert finding.status is status
    assert remedy in finding.remedy
    assert bool(finding.remedy) is bool(remedy)


def test_an_error_nobody_foresaw_is_named_without_its_words():
    finding = one(check(raising(ZeroDivisionError(SECRET))))

    assert finding.status is Status.FAIL
    assert "ZeroDivisionError" in finding.detail
    assert SECRET not in f"{finding.detail}{finding.remedy}"


def test_checks_keep_their_order_and_one_that_hangs_holds_up_no_other():
    stop = threading.Event()

    def hangs() -> str:
        stop.wait(30)
        return "late"

    began = time.perf_counter()
    findings = examine(
        [check(lambda: "first"), check(hangs), check(raising(ValueError())), check(lambda: "last")],
        seconds=0.3,
    )
    took = time.perf_counter() - began
    stop.set()

    assert [each.status for each in findings] == [
        *(Status.OK, Status.FAIL, Status.FAIL, Status.OK),
    ]
    assert "within 0.3 s" in findings[1].detail
    assert took < 5


def test_only_so_many_run_at_once_and_those_that_hang_give_up_their_places():
    stop, lock, running, most = threading.Event(), threading.Lock(), [0], [0]

    def counted(wait: float) -> str:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        stop.wait(wait)
        with lock:
            running[0] -= 1
        return "seen"

    quick = examine([check(lambda: counted(0.01)) for _ in range(3 * AT_ONCE)], seconds=30)
    hanging = [check(lambda: counted(30)) for _ in range(AT_ONCE)]
    findings = examine([*hanging, check(lambda: "last")], seconds=0.2)
    stop.set()

    assert {each.detail for each in quick} == {"seen"}
    assert most[0] == AT_ONCE
    assert {each.status for each in findings[:-1]} == {Status.FAIL}
    assert findings[-1].detail == "last"


def test_only_a_failure_makes_a_deployment_unfit():
    kinds = [Finding("g", "n", status, "") for status in Status]

    assert fit(kinds[:3])
    assert not fit(kinds)


# --- all of it ---


def test_where_nothing_answers_everything_is_found_in_time_and_nothing_secret_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    models = tmp_path / "models.yaml"
    models.write_text(json.dumps(catalogue_document()), encoding="utf-8")
    given = {**SETTINGS, "MODELS_FILE": str(models), "LAKEHOUSE_URI": str(tmp_path)}

    findings = look(Where(given, "http://127.0.0.1:1"), seconds=20)

    groups = {each.group for each in findings if each.status is Status.FAIL}
    assert groups >= {"storage", "Fabric", "reach", "lakehouse", "Azure Monitor"}
    assert all(each.remedy for each in findings if each.status is Status.FAIL)
    assert SECRET not in repr(findings)
    assert "A" * 86 not in repr(findings)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"LAKEHOUSE_URI": "s3://bucket"}, "LAKEHOUSE_URI"),
        ({"AzureWebJobsStorage": SECRET}, "AzureWebJobsStorage"),
        ({"LOCAL_TOKEN": ""}, "LOCAL_TOKEN"),
    ],
)
def test_a_setting_that_an_adapter_cannot_use_is_one_groups_trouble(
    tmp_path: Path, changes: dict[str, str], named: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    (tmp_path / "models.yaml").write_text(json.dumps(catalogue_document()), encoding="utf-8")
    given = {**SETTINGS, "MODELS_FILE": str(tmp_path / "models.yaml"),
             "LAKEHOUSE_URI": str(tmp_path), **changes}  # fmt: skip

    findings = look(Where(given, "http://127.0.0.1:1"), seconds=20)

    mine = [each for each in findings if named in each.detail]
    assert {each.status for each in mine} == {Status.FAIL}
    assert {each.remedy for each in mine} == {"correct the setting that is named"}
    assert any(each.name == "functions" for each in findings)
    assert SECRET not in repr(findings)


def test_wrong_settings_are_said_first_and_the_rest_is_left_out():
    findings = look(Where({}, ""), seconds=5)

    assert findings[0].status is Status.FAIL
    assert findings[-1].name == "everything else"
    assert {each.group for each in findings} == {"settings", "reach"}


@pytest.mark.parametrize(("status", "code"), [(Status.WARN, 0), (Status.FAIL, 1)])
def test_the_exit_status_and_the_file_say_whether_it_is_fit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, status: Status, code: int
):
    finding = Finding("storage", "queue [red]x", status, "403 [bold]", "give the role")
    monkeypatch.setattr(doctor_command, "look", lambda *_: [finding])
    out = tmp_path / "findings.json"

    done = CliRunner().invoke(cli.app, ["doctor", "--environment", "--json", str(out)])

    assert done.exit_code == code
    assert "queue [red]x: give the role" in done.output
    document = json.loads(out.read_text(encoding="utf-8"))
    assert document["fit"] is (code == 0)
    assert document["findings"][0]["remedy"] == "give the role"


def test_the_address_comes_from_what_the_deployment_says_of_itself():
    where = doctor_command._environment({"SERVICE_API_URI": "https://app/"}, "")

    assert where.address == "https://app"
    assert doctor_command._environment({}, "https://other").address == "https://other"


@pytest.mark.parametrize(
    "document",
    [
        [{"name": "A", "value": "1", "slotSetting": False}],
        {"IsEncrypted": False, "Values": {"A": "1"}},
    ],
)
def test_settings_are_read_as_the_azure_cli_lists_them(tmp_path: Path, document: Any):
    path = tmp_path / "settings.json"
    path.write_text(json.dumps(document), encoding="utf-8")

    assert doctor_command.read_settings(path) == {"A": "1"}


def test_a_file_that_lists_no_settings_is_refused(tmp_path: Path):
    path = tmp_path / "settings.json"
    path.write_text('["A"]', encoding="utf-8")

    done = CliRunner().invoke(cli.app, ["doctor", "--settings", str(path)])

    assert done.exit_code == 2
    assert "no list of settings" in done.output


def test_settings_whose_values_are_hidden_are_refused(tmp_path: Path):
    path = tmp_path / "settings.json"
    path.write_text('[{"name": "A", "value": "1"}, {"name": "B", "value": null}]', encoding="utf-8")

    with pytest.raises(ValueError, match=r"no value for B: give what 'appsettings list' prints"):
        doctor_command.read_settings(path)


def test_a_pipeline_reads_the_findings_from_standard_output(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(doctor_command, "look", lambda *_: [Finding("g", "n", Status.OK, "seen")])

    done = CliRunner().invoke(cli.app, ["doctor", "--environment", "--json", "-"])

    assert json.loads(done.stdout)["findings"][0]["detail"] == "seen"


def test_trouble_is_no_finding(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    def fails(*_: Any) -> None:
        raise ZeroDivisionError

    asked: list[Any] = []
    nowhere = str(tmp_path / "nowhere" / "findings.json")
    monkeypatch.setattr(doctor_command, "look", lambda *_: asked.append(1))
    refused = CliRunner().invoke(cli.app, ["doctor", "--environment", "--json", nowhere])
    monkeypatch.setattr(doctor_command, "look", fails)
    broken = CliRunner().invoke(cli.app, ["doctor", "--environment"])

    assert (refused.exit_code, broken.exit_code) == (2, 2)
    assert asked == []


def test_asking_as_oneself_leaves_the_apps_identity_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    path, seen = tmp_path / "settings.json", []
    path.write_text('[{"name": "AZURE_CLIENT_ID", "value": "c-1"}]', encoding="utf-8")
    monkeypatch.setattr(doctor_command, "look", lambda where, _: seen.append(where) or [])

    for more in ([], ["--as-me"]):
        CliRunner().invoke(cli.app, ["doctor", "--settings", str(path), *more])

    assert [where.environment.get("AZURE_CLIENT_ID") for where in seen] == ["c-1", None]
