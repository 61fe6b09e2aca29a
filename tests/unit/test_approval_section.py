"""Which models a person must agree to, and what models.yaml cannot say otherwise."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.catalogue import load_catalogue
from shared.errors import ConfigError
from tests.documents import catalogue_document
from tests.fakes.samples import MODEL, catalogue_of, model_document

AT_RISK: dict[str, dict[str, Any]] = {
    "regulated": {
        "regulated": True,
        "gates": {"performance": {"floor": 0.5}, "fairness": {"attributes": ["gender"]}},
    },
    "public_safety": {"public_safety": True},
}


@pytest.mark.parametrize("kind", AT_RISK)
def test_a_model_that_people_depend_on_is_not_started_with_automatic_approval(
    kind: str, tmp_path: Path
):
    file = tmp_path / "models.yaml"
    document = model_document(**AT_RISK[kind], approval={"mode": "automatic"})
    file.write_text(yaml.safe_dump(catalogue_document(document)), encoding="utf-8")

    with pytest.raises(ConfigError) as caught:
        load_catalogue(file, {})

    assert f"approval.mode: automatic is not for a model that is {kind}" in str(caught.value)
    assert "models[0]" in str(caught.value)


@pytest.mark.parametrize("mode", ["default", "required"])
@pytest.mark.parametrize("kind", AT_RISK)
def test_such_a_model_needs_a_person_whatever_else_is_said(kind: str, mode: str):
    document = model_document(**AT_RISK[kind], approval={"mode": mode})

    assert catalogue_of(document).models[0].approval_required


@pytest.mark.parametrize(
    ("mode", "required"), [("default", False), ("automatic", False), ("required", True)]
)
def test_for_other_models_it_is_as_was_said(mode: str, required: bool):
    (model,) = catalogue_of(model_document(MODEL, approval={"mode": mode})).models

    assert model.approval_required is required
