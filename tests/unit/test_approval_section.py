"""Which promotions a person must agree to, and where a champion is an operator's to change."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from shared import bootstrap
from shared.catalogue import load_catalogue
from shared.config import load_settings
from shared.errors import ConfigError
from tests.documents import catalogue_document
from tests.fakes.samples import MODEL, catalogue_of, model_document
from tests.fakes.settings import LOCAL

TENANT = "11111111-2222-4333-8444-555555555555"
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


def test_a_deployment_may_ask_for_a_person_whatever_models_yaml_says():
    before = catalogue_of(
        model_document(MODEL, approval={"mode": "automatic", "hours": 48}),
        model_document("flight-cancel"),
    )

    after = before.with_approval()

    assert [model.approval_required for model in before.models] == [False, False]
    assert [model.approval_required for model in after.models] == [True, True]
    assert after.models[0].approval.hours == 48


@pytest.mark.parametrize(("setting", "required"), [("true", True), ("false", False), ("", False)])
def test_the_worker_s_catalogue_is_as_the_deployment_says(
    setting: str, required: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    file = tmp_path / "models.yaml"
    file.write_text(yaml.safe_dump(catalogue_document(model_document())), encoding="utf-8")
    for name, value in LOCAL.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MODELS_FILE", str(file))
    monkeypatch.setenv("REQUIRE_APPROVAL", setting)

    found = bootstrap.app.__wrapped__().catalogue

    assert [model.approval_required for model in found.models] == [required]


@pytest.mark.parametrize(
    ("given", "role"),
    [
        ({}, ""),
        ({"ENTRA_TENANT_ID": TENANT, "ENTRA_AUDIENCES": "api://app"}, "RetrainLoop.Operator"),
        ({"CLIENT_PRINCIPAL_HEADER": "trust"}, "RetrainLoop.Operator"),
        ({"CLIENT_PRINCIPAL_HEADER": "trust", "OPERATOR_ROLE": "Desk"}, "Desk"),
    ],
    ids=["a key alone", "tokens", "App Service in front", "a role of its own"],
)
def test_a_champion_is_an_operator_s_to_change_wherever_callers_have_names(
    given: dict[str, str], role: str
):
    loop = bootstrap.App(load_settings({**LOCAL, **given}), catalogue_of())

    assert loop.ask_champion.role == role
