"""models.yaml: what it may say, and what is said when it is wrong."""

import json
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from pydantic import ValidationError

from shared.catalogue import load_catalogue
from shared.errors import ConfigError
from shared.sections.policy import TRIGGER_KINDS
from tests.documents import catalogue_document
from tests.fakes.samples import MODEL, catalogue_of, model_document

ROOT = Path(__file__).parents[2]
GUID = "0a1b2c3d-0a1b-4a1b-8a1b-0a1b2c3d4e5f"
Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "models.yaml"


def write(file: Path, document: object) -> Path:
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    return file


def fault(file: Path, environment: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        load_catalogue(file, environment or {})
    assert caught.value.subject == str(file)
    return str(caught.value)


def test_a_good_file_is_read_with_the_defaults_filled_in(file: Path):
    write(file, catalogue_document(model_document("first"), model_document("second")))

    catalogue = load_catalogue(file, {})

    assert [model.name for model in catalogue.models] == ["first", "second"]
    assert catalogue.models[0].feature_names == ("distance",)
    assert catalogue.models[0].drift.psi_significant == 0.20
    assert catalogue.models[0].policy.cooldown_days.of("drift") == 7.0


def test_a_model_is_found_however_an_alert_spells_it(file: Path):
    catalogue = load_catalogue(write(file, catalogue_document()), {})

    assert catalogue.find(f"  {MODEL.upper()} ") is catalogue.models[0]
    assert catalogue.find("another") is None
    assert catalogue.find("") is None


def test_a_catalogue_cannot_be_changed_once_read(file: Path):
    catalogue = load_catalogue(write(file, catalogue_document()), {})

    with pytest.raises(ValidationError, match="frozen"):
        catalogue.models[0].gates.min_rows = 1


def test_ids_are_filled_in_from_the_settings(file: Path):
    fabric = {"workspace_id": "${WORKSPACE_ID}", "pipeline_id": "${PIPELINE_ID}"}
    write(file, catalogue_document(model_document(fabric=fabric, owner="${TEAM}@${DOMAIN}")))

    settings = {"WORKSPACE_ID": GUID, "PIPELINE_ID": GUID, "TEAM": "ops", "DOMAIN": "example.com"}
    (model,) = load_catalogue(file, settings).models

    assert model.fabric.workspace_id == GUID
    assert model.owner == "ops@example.com"


def test_all_missing_settings_are_named_with_the_places_that_ask_for_them(file: Path):
    fabric = {"workspace_id": "${WORKSPACE_ID}", "pipeline_id": "${PIPELINE_ID}"}
    features = [{"name": "${FEATURE}", "kind": "numeric"}]
    write(file, catalogue_document(model_document(fabric=fabric, features=features)))

    text = fault(file, {"WORKSPACE_ID": "", "FEATURE": "distance"})

    assert "  models[0].fabric.workspace_id: the setting WORKSPACE_ID is not set" in text
    assert "  models[0].fabric.pipeline_id: the setting PIPELINE_ID is not set" in text
    assert "FEATURE" not in text


def test_a_setting_is_not_looked_into_for_more_settings(file: Path):
    write(file, catalogue_document(model_document(owner="${OWNER}")))

    (model,) = load_catalogue(file, {"OWNER": "${SECRET}", "SECRET": "swordfish"}).models

    assert model.owner == "${SECRET}"


def quiet(**changes: Any) -> dict[str, Any]:
    span = {"start": "2026-12-24T00:00:00Z", "end": "2026-12-27T00:00:00Z", "reason": "holidays"}
    return {"quiet": [{**span, **changes}]}


def cron(expression: str) -> dict[str, Any]:
    return {"schedule": {"cron": expression}}


BAD: list[tuple[Change, str]] = [
    (lambda m: m.update(colour="red"), "models[0].colour: Extra inputs are not permitted"),
    (lambda m: m["gates"].update(fairnes={}), "models[0].gates.fairnes: Extra inputs"),
    (lambda m: m["fabric"].pop("pipeline_id"), "models[0]: fabric.pipeline_id: must be given"),
    (lambda m: m.pop("gates"), "models[0].gates: Field required"),
    (lambda m: m.pop("regulated"), "models[0].regulated: Field required"),
    (lambda m: m["fabric"].update(workspace_id="w-1"), "models[0].fabric.workspace_id: String"),
    (lambda m: m["fabric"].update(workspace_id=GUID + "\n"), "models[0].fabric.workspace_id: "),
    (lambda m: m.update(name="Flights"), "models[0].name: String should match pattern"),
    (lambda m: m.update(name="a.b"), "models[0].name: String should match pattern"),
    (lambda m: m.update(task="ranking"), "models[0].task: Input should be 'regression' or"),
    (lambda m: m["data"].update(actuals="a"), "models[0].data.actuals: String should match"),
    (lambda m: m["data"].update(actuals="a.b; --"), "models[0].data.actuals: String should"),
    (lambda m: m["columns"].update(id="id] or 1"), "models[0].columns.id: String should match"),
    (lambda m: m.update(features=[]), "models[0].features: Tuple should have at least 1 item"),
    (lambda m: m["features"].append({"name": "x"}), "models[0].features[1].kind: Field required"),
    (lambda m: m["features"].append(m["features"][0]), "models[0]: features: two have the same"),
    (lambda m: m.update(drift={"bins": 1}), "models[0].drift.bins: Input should be greater"),
    (lambda m: m.update(drift={"alpha": "low"}), "models[0].drift.alpha: Input should be a valid"),
    (lambda m: m.update(drift={"psi_severe": 0.15}), "models[0].drift: psi_moderate < psi_signi"),
    (lambda m: m.update(drift={"sustained": 4}), "models[0].drift: sustained must not be above"),
    (lambda m: m.update(policy={"cooldown_days": {"drift": -1}}), "cooldown_days.drift: Input"),
    (lambda m: m.update(policy={"held_kinds": ["whim"]}), "policy.held_kinds[0]: Input should"),
    (lambda m: m.update(policy={"budget": {"runs": 0}}), "policy.budget.runs: Input should be"),
    (lambda m: m.update(policy=quiet(end="2026-12-24T00:00:00Z")), "start must be before end"),
    (lambda m: m.update(policy=quiet(start="2026-12-24T00:00:00")), "quiet[0].start: Input should"),
    (lambda m: m.update(policy=quiet(reason="")), "policy.quiet[0].reason: String should have"),
    (lambda m: m.update(policy=quiet(kinds=["whim"])), "policy.quiet[0].kinds[0]: Input should"),
    (lambda m: m.update(policy=cron("0 3 * *")), "'0 3 * *' is no cron expression"),
    (lambda m: m.update(policy=cron("0 0 3 * * *")), "'0 0 3 * * *' is no cron expression"),
    (lambda m: m.update(policy=cron("@daily")), "'@daily' is no cron expression"),
    (lambda m: m.update(policy=cron("R R * * *")), "'R R * * *' is no cron expression"),
    (lambda m: m.update(policy=cron("0 3 L * *")), "'0 3 L * *' is no cron expression"),
    (lambda m: m.update(policy=cron("61 3 * * *")), "policy.schedule.cron: '61 3 * * *' names no"),
    (lambda m: m.update(policy=cron("0 3 30 2 *")), "policy.schedule.cron: '0 3 30 2 *' names no"),
    (lambda m: m.update(policy={"cooldown_days": {"whim": 1}}), "cooldown_days.whim: Extra"),
    (lambda m: m.update(policy={"start_attempts": 0}), "models[0].policy.start_attempts: Input"),
    (lambda m: m["gates"].update(holdout={"max_shift": 1.5}), "models[0].gates.holdout.max_shift"),
    (lambda m: m["gates"]["performance"].pop("floor"), "models[0].gates.performance.floor: Field"),
    (lambda m: m["gates"]["performance"].update(floor=float("nan")), "performance.floor: Input"),
    (lambda m: m["gates"]["performance"].update(floor=float("inf")), "performance.floor: Input"),
    (
        lambda m: m.update(regulated=True),
        "models[0]: gates.fairness.attributes: a regulated model must declare them",
    ),
]


@pytest.mark.parametrize(("change", "complaint"), BAD, ids=[complaint for _, complaint in BAD])
def test_a_fault_is_named_with_its_place_in_the_file(file: Path, change: Change, complaint: str):
    model = model_document()
    change(model)

    text = fault(write(file, catalogue_document(model)))

    assert text.startswith("models.yaml is not right:\n")
    assert len(text.splitlines()) == 2
    assert complaint in text


def test_all_faults_are_named_at_once(file: Path):
    first, second = model_document("first", colour="red"), model_document("second", task="ranking")

    text = fault(write(file, catalogue_document(first, second)))

    assert "  models[0].colour: " in text
    assert "  models[1].task: " in text


def test_a_bad_value_is_shown_as_it_was_given(file: Path):
    text = fault(write(file, catalogue_document(model_document(drift={"bins": 1000}))))

    assert text.endswith("less than or equal to 100 (got 1000)")


def test_a_fault_does_not_repeat_the_rest_of_the_file(file: Path):
    write(file, catalogue_document(model_document(owner={"token": "swordfish"}, name="N" * 500)))

    text = fault(file)

    assert "models[0].owner: Input should be a valid string" in text
    assert "swordfish" not in text
    assert max(map(len, text.splitlines())) < 300


def test_a_regulated_model_with_attributes_is_taken(file: Path):
    gates = {"performance": {"floor": 0.5}, "fairness": {"attributes": ["region"]}}

    catalogue = load_catalogue(
        write(file, catalogue_document(model_document(regulated=True, gates=gates))), {}
    )

    assert catalogue.models[0].gates.fairness.attributes == ("region",)


def test_two_models_of_one_name_are_refused(file: Path):
    models = [model_document("one"), model_document("two"), model_document("one")]

    text = fault(write(file, catalogue_document(*models)))

    assert text == "models.yaml is not right:\n  (the file): models: named twice: one"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "(the file): Input should be a valid dictionary"),
        ("- a\n- b\n", "(the file): Input should be a valid dictionary"),
        ("version: 2\nmodels: []\n", "version: Input should be 1"),
        ("version: 1\nmodels: []\n", "models: Tuple should have at least 1 item"),
        ("version: 1\nmodels: {\n", "expected the node content"),
        ("version: 1\nversion: 1\n", "the key 'version' is given twice"),
        ("version: !!python/object/apply:os.getcwd []\n", "could not determine a constructor"),
    ],
)
def test_a_file_that_is_no_catalogue_is_refused(file: Path, content: str, complaint: str):
    file.write_text(content, encoding="utf-8")

    assert complaint in fault(file)


def test_a_threshold_that_is_given_twice_is_refused_with_its_line(file: Path):
    text = yaml.safe_dump(catalogue_document())
    file.write_text(text.replace("floor: 0.5", "floor: 0.5\n      floor: 0.1"), encoding="utf-8")

    complaint = fault(file)

    assert "the key 'floor' is given twice" in complaint
    assert "line " in complaint


def test_models_may_share_a_section_and_change_a_part_of_it(file: Path):
    text = yaml.safe_dump(catalogue_document(model_document("one"), model_document("two")))
    first, _, second = text.partition("name: one")
    shared = "drift: &drift {bins: 20, alpha: 0.05}"
    changed = "drift: {<<: *drift, bins: 30}"
    second = second.replace("name: two", f"name: two\n  {changed}")
    file.write_text(f"{first}name: one\n  {shared}{second}", encoding="utf-8")

    one, two = load_catalogue(file, {}).models

    assert (one.drift.bins, one.drift.alpha) == (20, 0.05)
    assert (two.drift.bins, two.drift.alpha) == (30, 0.05)


def test_a_file_that_is_not_there_or_is_no_text_is_refused(file: Path):
    assert "No such file" in fault(file)

    file.write_bytes(b"version: \xff\xfe")

    assert "can't decode" in fault(file)


def test_every_kind_of_trigger_has_a_cool_down():
    assert {"schedule", "drift", "performance", "manual"} <= TRIGGER_KINDS


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    document = json.loads((ROOT / "models.schema.json").read_text(encoding="utf-8"))
    assert isinstance(document, dict)
    return document


def test_the_schema_is_current():
    script = runpy.run_path(str(ROOT / "scripts" / "write_schema.py"))

    text = (ROOT / "models.schema.json").read_text(encoding="utf-8")

    assert text == script["render"](), "run: python scripts/write_schema.py"


def test_the_schema_is_one_and_says_what_every_threshold_means(schema: dict[str, Any]):
    jsonschema.Draft202012Validator.check_schema(schema)

    thresholds = schema["$defs"]["DriftSettings"]["properties"]

    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert all(field["description"] for field in thresholds.values())


def test_the_schema_takes_a_setting_where_an_id_is_asked_for(schema: dict[str, Any]):
    fabric = {"workspace_id": "${WORKSPACE_ID}", "pipeline_id": GUID}

    jsonschema.validate(catalogue_document(model_document(fabric=fabric)), schema)


@pytest.mark.parametrize("change", [change for change, complaint in BAD if "Extra" in complaint])
def test_the_schema_refuses_a_key_that_means_nothing(schema: dict[str, Any], change: Change):
    model = model_document()
    change(model)

    with pytest.raises(jsonschema.ValidationError, match="Additional properties"):
        jsonschema.validate(catalogue_document(model), schema)


def test_the_schema_refuses_what_is_no_id(schema: dict[str, Any]):
    fabric = {"workspace_id": "w-1", "pipeline_id": GUID}

    with pytest.raises(jsonschema.ValidationError, match="does not match"):
        jsonschema.validate(catalogue_document(model_document(fabric=fabric)), schema)


def test_the_catalogue_in_the_repository_fits_the_schema(schema: dict[str, Any]):
    document = yaml.safe_load((ROOT / "models.yaml").read_text(encoding="utf-8"))

    jsonschema.validate(document, schema)


def test_the_catalogue_in_the_repository_is_read_with_the_example_settings():
    example = json.loads((ROOT / "local.settings.example.json").read_text(encoding="utf-8"))

    catalogue = load_catalogue(ROOT / "models.yaml", example["Values"])

    assert catalogue.models


@pytest.mark.parametrize("why", [{"public_safety": True}, {"approval": {"mode": "required"}}])
def test_a_person_must_approve_where_people_are_at_risk_or_it_is_asked_for(why):
    assert catalogue_of(model_document(**why)).models[0].approval_required


def test_other_models_are_promoted_by_the_loop():
    assert not catalogue_of(model_document()).models[0].approval_required


def test_a_public_safety_model_cannot_be_promoted_automatically():
    document = model_document(public_safety=True, approval={"mode": "automatic"})

    with pytest.raises(ValidationError, match="automatic is not for a model that is public_safety"):
        catalogue_of(document)
