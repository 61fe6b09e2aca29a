"""What the doctor says of Azure Monitor, of storage, and of what it reaches over HTTP."""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from local.doctor import monitoring, reach, storage
from local.doctor.asking import Asking
from local.doctor.findings import Finding, Status, examine, one
from local.doctor.plan import rule_names
from shared.adapters.credentials import StaticCredential
from shared.config import load_settings
from tests.fakes.samples import catalogue_of, model_document
from tests.local.doctor_worlds import (
    DEPLOYED,
    ROOT,
    SECRET,
    SETTINGS,
    Manager,
    check,
    group_of,
    served,
)

# --- Azure Monitor ---


def rule(**changes: Any) -> dict[str, Any]:
    actions = {"actionGroups": ["/subscriptions/s/…/ag"]}
    return {
        "name": "retrain-loop-drift",
        "properties": {"enabled": True, "actions": actions} | changes,
    }


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ([], "there is no rule"),
        ([rule(enabled=False)], "disabled"),
        ([rule(actions={})], "calls no action group"),
    ],
)
def test_an_alert_rule_that_would_not_call_is_named(found: list[Any], said: str):
    finding = one(check(lambda: monitoring._rules(found, ["retrain-loop-drift"])))

    assert finding.status is Status.FAIL
    assert said in finding.detail


def test_the_rules_that_are_deployed_are_the_ones_that_are_asked_for():
    found = [rule() | {"name": name.upper()} for name in rule_names()]

    assert {"retrain-loop-drift", "retrain-loop-silent"} <= set(rule_names())
    assert monitoring._rules(found, rule_names())


class Database:
    """Gives one number to whatever it is asked."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.asked: list[str] = []

    def rows(self, text: str, columns: Mapping[str, str]) -> list[list[int]]:
        self.asked.append(text)
        assert columns == {"Count": "long"}
        return [[self.count]]


@pytest.mark.parametrize(("count", "said"), [(1, "Served answers"), (0, "is empty")])
def test_a_models_eventhouse_is_asked_for_its_table(count: int, said: str):
    document = model_document()
    section = {"cluster_uri": "https://c.kusto.fabric.microsoft.com", "database": "d",
               "table": "Served"}  # fmt: skip
    document["data"] |= {"source": "eventhouse", "eventhouse": section}
    database = Database(count)

    def opened(model: Any) -> tuple[Database, str]:
        return database, model.data.eventhouse.table

    (finding,) = examine(monitoring.eventhouses(opened, catalogue_of(document)), seconds=5)

    assert finding.status is Status.OK
    assert said in finding.detail
    assert database.asked == ["Served | take 1 | count"]
    assert monitoring.eventhouses(opened, catalogue_of()) == []


def group(address: str, **changes: Any) -> dict[str, Any]:
    hooks = [{"serviceUri": f"{address}/api/secure/alerts?code={SECRET}"}]
    return {"properties": {"enabled": True, "webhookReceivers": hooks} | changes}


def test_an_action_group_must_call_this_app_and_its_address_is_never_shown():
    here, there = "https://app.azurewebsites.net", "https://other.azurewebsites.net"

    good = one(check(lambda: monitoring._groups([group(here)], here)))
    wrong = one(check(lambda: monitoring._groups([group(there)], here)))
    off = one(check(lambda: monitoring._groups([group(here, enabled=False)], here)))

    assert [each.status for each in (good, wrong, off)] == [Status.OK, Status.FAIL, Status.FAIL]
    assert SECRET not in repr((good, wrong, off))


def test_without_a_subscription_the_resources_are_skipped_with_the_reason():
    findings = examine(monitoring.resources(group_of({}), rule_names(), ""), seconds=5)

    assert [each.status for each in findings] == [Status.SKIP, Status.SKIP]
    assert "AZURE_SUBSCRIPTION_ID" in findings[0].detail


def test_rules_and_groups_are_asked_of_the_resource_group():
    manager = Manager(*[rule() | {"name": name} for name in rule_names()])

    rules, groups = examine(
        monitoring.resources(group_of(DEPLOYED, manager), rule_names(), ""), seconds=5
    )

    assert (rules.status, groups.status) == (Status.OK, Status.FAIL)
    assert sorted(url.rpartition("/")[2] for url in manager.asked) == [
        *("actionGroups", "scheduledQueryRules"),
    ]


# --- over HTTP ---


@pytest.fixture
def server() -> Iterator[Any]:
    with served() as found:
        yield found


def sent(server: Any, **changes: str) -> Finding:
    given = {**SETTINGS, "LAKEHOUSE_URI": "x", "LOGS_INGESTION_ENDPOINT": server.url, **changes}
    asking = Asking(StaticCredential(SECRET), local=True)
    return one(monitoring.ingestion(asking, load_settings(given)))


def test_sending_rows_is_tried_with_none(server: Any):
    server.answer = (204, {}, {})

    assert sent(server).status is Status.OK
    ((path, authorization, body),) = server.seen
    assert path.startswith("/dataCollectionRules/dcr-1/streams/Custom-RetrainLoopDrift_CL?")
    assert (authorization, body) == (f"Bearer {SECRET}", b"[]")


@pytest.mark.parametrize(
    ("status", "remedy"),
    [(403, "Monitoring Metrics Publisher"), (404, "LOGS_INGESTION_RULE_ID"), (500, "reached"),
     (429, "try again in 9 s")],
)  # fmt: skip
def test_rows_that_may_not_be_sent_say_which_role_or_setting(server: Any, status: int, remedy: str):
    server.answer = (status, {"Retry-After": "9"}, {"error": {"code": "X", "message": SECRET}})

    finding = sent(server)

    assert finding.status is Status.FAIL
    assert remedy in finding.remedy
    assert SECRET not in repr(finding)


def test_a_token_travels_neither_unencrypted_nor_out_of_the_local_stack():
    local, cloud = (Asking(StaticCredential(SECRET), local=each) for each in (True, False))

    for asking, url in ((local, "https://example.com"), (cloud, "http://example.com")):
        finding = one(check(lambda asking=asking, url=url: str(asking.get(url, "s", {}))))

        assert finding.status is Status.FAIL
        assert "allows loopback" in finding.detail or "https" in finding.detail


def reached(server: Any, now: datetime) -> tuple[Finding, Finding]:
    found = examine(reach.checks(server.url, timedelta(seconds=300), lambda: now), seconds=10)
    return found[0], found[1]


NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)


@pytest.mark.parametrize(("skew", "status"), [(0, "OK"), (299, "OK"), (-301, "WARN")])
def test_clocks_that_differ_too_much_are_warned_of(server: Any, skew: int, status: str):
    date = format_datetime(NOW + timedelta(seconds=skew), usegmt=True)
    server.answer = (200, {"Date": date}, {"status": "ready", "models": ["m"]})

    functions, clock = reached(server, NOW)

    assert functions.status is Status.OK
    assert clock.status == status


@pytest.mark.parametrize("body", ["<html>sign in</html>", {}, {"status": "not ready"}])
def test_an_answer_that_is_not_the_apps_own_is_no_readiness(server: Any, body: Any):
    server.answer = (200, {}, body)

    functions, _ = reached(server, NOW)

    assert functions.status is Status.FAIL
    assert "SERVICE_API_URI" in functions.remedy


@pytest.mark.parametrize("missing", ["x", [1], [{"what": "storage", "detail": "Unavailable"}]])
def test_an_app_that_says_it_in_another_form_has_a_remedy_too(server: Any, missing: Any):
    server.answer = (503, {}, {"missing": missing})

    functions, _ = reached(server, NOW)

    assert functions.status is Status.FAIL
    assert "503" in functions.detail
    assert "log stream" in functions.remedy


def test_an_app_that_is_not_ready_says_what_is_missing(server: Any):
    missing = [{"what": "configuration", "detail": ["LAKEHOUSE_URI: Field required"]}]
    server.answer = (503, {}, {"status": "not ready", "missing": missing})

    functions, _ = reached(server, NOW)

    assert functions.status is Status.FAIL
    assert "LAKEHOUSE_URI" in functions.detail


@pytest.mark.parametrize(
    ("status", "remedy"), [(404, "azd deploy"), (403, "operatorAddressRanges"), (500, "log stream")]
)
def test_an_app_that_does_not_speak_for_itself_has_a_remedy_too(
    server: Any, status: int, remedy: str
):
    server.answer = (status, {}, {})

    functions, _ = reached(server, NOW)

    assert functions.status is Status.FAIL
    assert remedy in functions.remedy


# --- storage ---


def test_the_queues_tables_and_containers_that_are_looked_at_are_those_that_are_deployed():
    deployed = json.loads((ROOT / "infra" / "storage-names.json").read_text(encoding="utf-8"))
    made = load_settings({**SETTINGS, "LAKEHOUSE_URI": "x"})

    seen = {each.name for each in storage.checks(made, StaticCredential(SECRET))}

    wanted = {f"queue {name}" for name in deployed["queues"]}
    wanted |= {f"table {name}" for name in deployed["tables"]}
    wanted |= {f"container {deployed['containers'][name]}" for name in ("evidence", "profiles")}
    assert seen == wanted | {"poison queues"}


def test_storage_that_is_not_made_yet_may_be_read(azurite_connection: str):
    given = {**SETTINGS, "LAKEHOUSE_URI": "x", "AzureWebJobsStorage": azurite_connection}

    found = examine(storage.checks(load_settings(given), StaticCredential(SECRET)), seconds=30)

    assert {each.status for each in found} <= {Status.OK, Status.WARN}
    assert {f"queue {name}" for name in storage.QUEUES} <= {each.name for each in found}


def test_storage_that_refuses_names_the_role_for_each_kind(azurite_connection: str):
    wrong = re.sub(r"AccountKey=[^;]+", f"AccountKey={'A' * 86}==", azurite_connection)
    given = {**SETTINGS, "LAKEHOUSE_URI": "x", "AzureWebJobsStorage": wrong}

    found = examine(storage.checks(load_settings(given), StaticCredential(SECRET)), seconds=30)

    remedies = {each.name.partition(" ")[0]: each.remedy for each in found if each.remedy}
    assert "Storage Queue Data Contributor" in remedies["queue"]
    assert "Storage Queue Data Contributor" in remedies["poison"]
    assert "Storage Table Data Contributor" in remedies["table"]
    assert "Storage Blob Data Owner" in remedies["container"]
    assert {each.status for each in found} == {Status.FAIL}
