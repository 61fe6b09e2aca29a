"""Names that Fabric takes, and names that say what they are of."""

import re

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from local.scenarios import SCENARIOS
from local.scenarios.base import PROJECT
from shared.domain.naming import LONGEST, experiment_advice, model_advice, refused, run_advice

OLDER = {"flight-arrival-delay": ("does not begin with its domain, aviation",)}
"""Named before the convention; a registered model cannot be renamed."""


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("casino-slot-revenue-forecast-gbt", "model", ""),
        ("v2.1_model", "model", ""),
        ("v2.1_model", "experiment", "period"),
        ("-model", "model", "a letter or digit first"),
        ("a model", "model", "only letters"),
        ("", "model", "only letters"),
        ("/Shared/casino", "experiment", "only letters"),
        ("m" * (LONGEST + 1), "model", "at most 255"),
        ("m" * LONGEST, "model", ""),
    ],
)
def test_what_fabric_does_not_take_is_said(name, kind, said):
    assert said in refused(name, kind)
    assert bool(refused(name, kind)) is bool(said)


@pytest.mark.parametrize(
    ("name", "domain", "advice"),
    [
        ("casino-fraud-detection-lightgbm", "casino", ()),
        ("casino-fraud", "casino", ("fewer than 3 parts: {domain}-{task}-{algorithm}",)),
        ("fraud-detection-gbt", "casino", ("does not begin with its domain, casino",)),
        ("real-estate-price-gbt", "real-estate", ()),
        ("real-estate-price", "real-estate", ("fewer than 3 parts: {domain}-{task}-{algorithm}",)),
        ("casino-Fraud_model-gbt", "casino", ("not lower-case words joined by hyphens",)),
    ],
)
def test_a_models_name_says_domain_task_and_algorithm(name, domain, advice):
    assert model_advice(name, domain) == advice


def test_the_models_of_the_catalogue_are_named_so_that_fabric_takes_them():
    models = yaml.safe_load((PROJECT / "models.yaml").read_text("utf-8"))["models"]

    assert models
    for model in models:
        assert refused(model["name"]) == ""
        assert model_advice(model["name"], model["domain"]) == OLDER.get(model["name"], ())


def test_the_model_that_newcomers_copy_is_named_by_the_rule():
    page = (PROJECT / "CONTRIBUTING.md").read_text("utf-8")
    (block,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)

    (model,) = yaml.safe_load(block)

    assert model_advice(model["name"], model["domain"]) == ()


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_the_notebooks_experiments_are_named_by_domain_and_task(scenario):
    name = scenario.spec.experiment

    assert refused(name, "experiment") == ""
    assert experiment_advice(name, name.split("-")[0]) == ()


@given(st.from_regex(r"[a-z0-9]{8,32}", fullmatch=True), st.integers(0, 99))
def test_a_runs_name_leads_back_to_its_retrain(run_id, trial):
    assert run_advice(run_id, run_id) == ""
    assert run_advice(f"{run_id}-trial-{trial}", run_id) == ""
    assert run_advice(f"{run_id}-trial-x", run_id) != ""
    assert run_advice(f"x{run_id}", run_id) != ""
