"""A model that decides about people: what models.yaml must say of it, and what the loop does."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from pydantic import ValidationError

from shared.catalogue import Catalogue, load_catalogue
from shared.errors import ConfigError
from tests.fakes.samples import card_document, catalogue_of, model_document

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs" / "examples" / "models.regulated.yaml"
GUID = "0a1b2c3d-0a1b-4a1b-8a1b-0a1b2c3d4e5f"
SETTINGS = {"FABRIC_WORKSPACE_ID": GUID, "LOAN_RISK_PIPELINE_ID": GUID}
Change = Callable[[dict[str, Any]], object]


def document() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    return found


def load(folder: Path, changed: dict[str, Any]) -> Catalogue:
    file = folder / "models.yaml"
    file.write_text(yaml.safe_dump(changed), encoding="utf-8")
    return load_catalogue(file, SETTINGS)


def test_the_example_is_read_and_its_model_needs_a_person():
    (model,) = load_catalogue(EXAMPLE, SETTINGS).models

    assert model.regulated
    assert model.approval_required
    assert model.card.undeclared == ()


def test_the_example_fits_the_schema():
    schema = json.loads((ROOT / "models.schema.json").read_text(encoding="utf-8"))

    jsonschema.validate(document(), schema)


LEFT_OUT: list[tuple[Change, str]] = [
    (lambda m: m["card"].pop("purpose"), "card: a model that is regulated must declare purpose"),
    (lambda m: m["card"].pop("limits"), "must declare limits"),
    (lambda m: m["card"].update(contacts=[]), "must declare contacts"),
    (lambda m: m.pop("card"), "must declare purpose, limits, contacts"),
    (lambda m: m["gates"].pop("fairness"), "a regulated model must declare them"),
    (lambda m: m["approval"].update(mode="automatic"), "automatic is not for a model that is"),
]


@pytest.mark.parametrize(("change", "told"), LEFT_OUT, ids=[told for _, told in LEFT_OUT])
def test_what_is_asked_for_cannot_be_left_out(change: Change, told: str, tmp_path: Path):
    changed = document()
    change(changed["models"][0])

    with pytest.raises(ConfigError, match=told) as caught:
        load(tmp_path, changed)

    assert "models[0]" in str(caught.value)


def test_a_public_safety_model_must_say_the_same_of_itself():
    with pytest.raises(ValidationError, match="public_safety must declare contacts"):
        catalogue_of(model_document(public_safety=True, card=card_document(contacts=[])))


def test_other_models_may_leave_their_card_out():
    plain = model_document()
    plain.pop("card")

    (model,) = catalogue_of(plain).models

    assert "purpose" in model.card.undeclared


@pytest.mark.parametrize("field", ["intended_use", "out_of_scope", "risk_tier"])
def test_what_is_not_asked_for_may_be_left_out_and_shows_on_the_card(field: str, tmp_path: Path):
    changed = document()
    changed["models"][0]["card"].pop(field)

    (model,) = load(tmp_path, changed).models

    assert model.card.undeclared == (field,)


@pytest.mark.parametrize("model", ["flight-arrival-delay", "casino-slot-revenue-forecast-gbt"])
def test_the_models_of_the_repository_have_whole_cards(model: str):
    example = json.loads((ROOT / "local.settings.example.json").read_text(encoding="utf-8"))

    found = load_catalogue(ROOT / "models.yaml", example["Values"]).find(model)

    assert found is not None
    assert found.card.undeclared == ()
