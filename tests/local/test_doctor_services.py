"""What the doctor says of Fabric, of other job services, of registry and lakehouse."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from local.doctor import data, fabric, jobs
from local.doctor.findings import Finding, Status, examine
from shared.adapters.delta.lakehouse import Lakehouse
from shared.adapters.fabric_http import Answer
from shared.domain.tables import TABLES
from shared.errors import NoChampion, NotFound, Refused, Unavailable
from tests.fakes.registry import FakeRegistry
from tests.fakes.samples import MODEL, catalogue_of, model_document

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


def test_only_the_items_that_a_model_uses_are_looked_for():
    def names(document: dict[str, Any]) -> set[str]:
        found = fabric.checks(Fabric(), catalogue_of(document))
        return {each.name for each in found if "workspace" not in each.name} - {
            f"capacity of {WORKSPACE}"
        }

    spark = model_document()
    spark["fabric"]["model_id"] = PIPELINE
    spark["data"] |= {"source": "spark", "spark": {"pipeline_id": PIPELINE}}

    assert names(model_document(job=JOB)) == set()
    assert names(model_document()) == {f"item of {MODEL}"}
    assert names(spark) == {f"{what} of {MODEL}" for what in ("item", "model item",
                                                              "profile pipeline")}  # fmt: skip


def test_an_item_of_another_type_says_which_key_names_it():
    document = model_document()
    document["fabric"]["model_id"] = PIPELINE

    found = examine(fabric.checks(Fabric(), catalogue_of(document)), seconds=5)

    (finding,) = [each for each in found if each.name.startswith("model item")]
    assert finding.status is Status.FAIL
    assert "fabric.model_id wants another" in finding.detail
    assert "MLModel" in finding.remedy


JOB = {"target": "github", "owner": "o", "repository": "r", "workflow": "w.yml"}


class Jobs:
    """Lists two jobs, or refuses."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    def instances(self, items: Any) -> list[str]:
        if self.error is not None:
            raise self.error
        return ["a", "b"]


def jobs_say(listing: Jobs, *, token_kept: bool = False) -> Finding:
    catalogue = catalogue_of(model_document(job=JOB))
    (finding,) = examine(jobs.checks(lambda: listing, catalogue, token_kept=token_kept), seconds=5)
    return finding


def test_where_a_retrain_runs_elsewhere_its_jobs_are_listed_there():
    finding = jobs_say(Jobs())

    assert (finding.status, finding.detail) == (Status.OK, "github:o/r/w.yml: 2 jobs are listed")
    assert jobs.checks(Jobs, catalogue_of(), token_kept=False) == []


def test_jobs_that_may_not_be_listed_say_which_right_is_missing_there():
    refused, missing = jobs_say(Jobs(Refused("403"))), jobs_say(Jobs(NotFound("404")))

    assert "Actions: read and write" in refused.remedy
    assert "job section" in missing.remedy


def test_a_token_that_only_the_app_can_read_is_not_tried():
    assert jobs_say(Jobs(Refused("403")), token_kept=True).status is Status.SKIP


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


class Closed(Lakehouse):
    """Says what delta-rs says of OneLake's answers."""

    said = ""

    def open(self, table: str, version: int | None = None) -> Any:
        raise Unavailable(f"{table}: Kernel error -> {self.said}", subject=table)


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        ("The operation lacked the necessary privileges … ↳ 403 Forbidden ↳ {", "Contributor"),
        ("The operation lacked valid authentication … ↳ 401 Unauthorized ↳ {", "Contributor"),
        ("Generic MicrosoftAzure error ↳ 404 Not Found ↳ {", "LAKEHOUSE_URI"),
        ("Generic MicrosoftAzure error ↳ 500 Internal Server Error ↳ {", "reached"),
    ],
)
def test_a_lakehouse_that_says_no_is_told_from_one_that_is_away(
    monkeypatch: pytest.MonkeyPatch, said: str, remedy: str
):
    monkeypatch.setattr(Closed, "said", said)

    found = lakehouse_says(Closed("x"))

    assert {each.status for each in found.values()} == {Status.FAIL}
    assert all(remedy in each.remedy for each in found.values())


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
