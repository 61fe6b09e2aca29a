"""What the doctor says of the services behind a deployment."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from local.doctor import data, fabric, monitoring, reach, storage
from local.doctor.asking import Asking
from local.doctor.findings import Finding, Status, examine, one
from local.doctor.plan import rule_names
from shared.adapters.credentials import StaticCredential
from shared.adapters.fabric_http import Answer
from shared.adapters.lakehouse import Lakehouse
from shared.config import load_settings
from shared.domain.tables import TABLES
from shared.errors import NoChampion, NotFound, Refused
from tests.fakes.registry import FakeRegistry
from tests.fakes.samples import MODEL, catalogue_of, model_document
from tests.local.doctor_worlds import DEPLOYED, SECRET, SETTINGS, Manager, check, group_of, served

# --- Fabric ---

WORKSPACE, PIPELINE = model_document()["fabric"].values()
PLACE = f"workspaces/{WORKSPACE}"
GOOD: dict[str, Any] = {
    PLACE: {"displayName": "Loop", "capacityId": "C1"},
    "capacities": {"value": [{"id": "c1", "displayName": "Cap", "sku": "F2", "state": "Active"}]},
    f"{PLACE}/items/{PIPELINE}": {"type": "DataPipeline", "displayName": "retrain"},
}


class Fabric:
    """Answers reads from a dictionary; what is an error is raised."""

    def __init__(self, **changes: Any) -> None:
        self.answers = GOOD | changes

    def call(self, method: str, path: str, **_: Any) -> Answer:
        assert method == "GET"
        found = self.answers.get(path, NotFound(f"404 {path}"))
        if isinstance(found, Exception):
            raise found
        return Answer({}, found, None)


def fabric_says(**changes: Any) -> dict[str, Finding]:
    findings = examine(fabric.checks(Fabric(**changes), catalogue_of()), seconds=5)
    return {each.name.partition(" ")[0]: each for each in findings}


def test_a_workspace_its_capacity_and_its_pipeline_are_told_by_name():
    found = fabric_says()

    assert {each.status for each in found.values()} == {Status.OK}
    assert "'Loop'" in found["workspace"].detail
    assert "Cap (F2): Active" in found["capacity"].detail
    assert "'retrain'" in found["item"].detail


def capacity(state: str) -> dict[str, Any]:
    return {"capacities": {"value": [{"id": "C1", "state": state}]}}


@pytest.mark.parametrize(
    ("what", "changes", "status", "remedy"),
    [
        ("workspace", {PLACE: Refused("no", code="InsufficientPrivileges")}, "FAIL", "Contributor"),
        ("workspace", {PLACE: Refused("no", code="WorkspaceNotFound")}, "FAIL", "is the id right"),
        ("workspace", {PLACE: {"displayName": "Loop"}}, "FAIL", "assign it"),
        ("capacity", {"capacities": {"value": []}}, "SKIP", ""),
        ("capacity", capacity("Inactive"), "FAIL", "resume"),
        ("capacity", capacity("Paused?"), "WARN", "portal"),
        ("item", {f"{PLACE}/items/{PIPELINE}": NotFound("404")}, "FAIL", "is the id right"),
        ("item", {f"{PLACE}/items/{PIPELINE}": {"type": "Notebook"}}, "FAIL", "DataPipeline"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_fabric_says_who_has_to_do_what(
    what: str, changes: dict[str, Any], status: str, remedy: str
):
    finding = fabric_says(**changes)[what]

    assert finding.status == status
    assert remedy in finding.remedy


def test_a_catalogue_of_models_elsewhere_skips_the_pipeline():
    document = model_document()
    document["job"] = {"target": "devops", "organization": "o", "project": "p", "pipeline_id": 7}

    findings = examine(fabric.checks(Fabric(), catalogue_of(document)), seconds=5)

    (item,) = [each for each in findings if each.name.startswith("item")]
    assert item.status is Status.SKIP


# --- registry and lakehouse ---


class NobodysRegistry(FakeRegistry):
    """Knows no role at all."""

    def capabilities(self) -> Mapping[str, bool]:
        return {"aliases": False, "stages": False, "tags": False}

    def champion(self, model: str) -> Any:
        raise NoChampion(f"{model}: none")


def test_a_registry_without_roles_fails_and_a_model_without_a_champion_is_warned_of():
    able, champion = examine(data.registry_checks(NobodysRegistry, catalogue_of()), seconds=5)

    assert able.status is Status.FAIL
    assert champion.status is Status.WARN
    assert f"/api/models/{MODEL}/bootstrap" in champion.remedy


@pytest.fixture
def lakehouse(tmp_path: Path) -> Lakehouse:
    folder = tmp_path / "{lakehouse}"
    for name in ("flights_predictions", "flights_actuals", "flights_holdout"):
        columns = ("id", "ts", "distance", "delay", "predicted", "model_version")
        write(tmp_path, f"lh_gold/{name}", dict.fromkeys(columns, pa.string()))
    return Lakehouse(str(folder))


def write(root: Path, name: str, columns: Mapping[str, pa.DataType]) -> None:
    schema = pa.schema([pa.field(column, kind) for column, kind in columns.items()])
    write_deltalake(str(root / name), schema.empty_table())


def lakehouse_says(lakehouse: Lakehouse) -> dict[str, Finding]:
    found = examine(data.lakehouse_checks(lambda: lakehouse, catalogue_of()), seconds=60)
    return {each.name: each for each in found}


def test_a_new_lakehouse_with_the_models_own_tables_is_fit(lakehouse: Lakehouse):
    found = lakehouse_says(lakehouse)

    assert {each.status for each in found.values()} == {Status.OK}
    assert set(found) >= {f"table {name}" for name in TABLES}


def test_a_table_that_a_model_reads_and_that_lacks_a_column_is_named(
    lakehouse: Lakehouse, tmp_path: Path
):
    write_deltalake(
        str(tmp_path / "lh_gold" / "flights_actuals"),
        pa.table({"id": pa.array([], pa.string())}),
        mode="overwrite",
        schema_mode="overwrite",
    )

    finding = lakehouse_says(lakehouse)["table lh_gold.flights_actuals"]

    assert (finding.status, finding.detail) == (Status.FAIL, "has no column delay")


def test_a_table_of_ours_in_another_form_is_named(lakehouse: Lakehouse, tmp_path: Path):
    kinds = {"STRING": pa.string(), "INT": pa.int32(), "BIGINT": pa.int64(), "DOUBLE": pa.float64(),
             "BOOLEAN": pa.bool_(), "TIMESTAMP": pa.timestamp("us", "UTC")}  # fmt: skip
    good, bad = TABLES["lh_gold.ml_gate_results"], TABLES["lh_gold.ml_retrain_triggers"]
    write(tmp_path, "lh_gold/ml_gate_results", {c.name: kinds[c.type] for c in good.columns})
    columns = {c.name: kinds[c.type] for c in bad.columns} | {"triggered_at": pa.string()}
    del columns["status"]
    write(tmp_path, "lh_gold/ml_retrain_triggers", columns)

    found = lakehouse_says(lakehouse)

    assert found[f"table {good.name}"].status is Status.OK
    assert found[f"table {bad.name}"].status is Status.FAIL
    assert "triggered_at is string, not TIMESTAMP" in found[f"table {bad.name}"].detail
    assert "status is missing, not STRING" in found[f"table {bad.name}"].detail


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
    found = [rule() | {"name": f"{name}-dev"} for name in rule_names()]

    assert monitoring._rules(found, rule_names())


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


def test_an_app_that_is_not_ready_says_what_is_missing(server: Any):
    missing = [{"what": "configuration", "detail": ["LAKEHOUSE_URI: Field required"]}]
    server.answer = (503, {}, {"status": "not ready", "missing": missing})

    functions, _ = reached(server, NOW)

    assert functions.status is Status.FAIL
    assert "LAKEHOUSE_URI" in functions.detail


# --- storage ---


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
    assert "Storage Table Data Contributor" in remedies["table"]
    assert "Storage Blob Data Owner" in remedies["container"]
    assert {each.status for each in found if each.name != "poison queues"} == {Status.FAIL}
