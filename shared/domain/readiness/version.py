"""Readiness of the version that serves: what it is, what it came from, what was said of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.domain.card import SHA256_TAG
from shared.domain.readiness.facts import known, promotion
from shared.domain.readiness.line import Answer, failed, listed, passed, skipped

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from shared.catalogue import Model
    from shared.domain.readiness.facts import Facts

_SAID_NOTHING = frozenset({"", "unknown"})
_DATA = ("training_data_table", "training_data_version", "training_rows", "training_end")
_HOLDOUT = ("holdout_table", "holdout_version", "holdout_rule")
_LETS_THROUGH = frozenset({"PASS", "SKIP"})


def registry(_: Model, facts: Facts) -> Answer:
    has = sorted(name for name, there in known(facts.roles).items() if there)
    if not has:
        return failed("it knows no aliases, stages or tags", "no version can have a role there")
    return passed(f"it answers, and has {', '.join(has)}")


def champion(_: Model, facts: Facts) -> Answer:
    found = known(facts.champion)
    aliases = ", ".join(sorted(found.aliases)) or "none"
    return passed(f"version {found.version}, stage {found.stage}, aliases {aliases}")


def signature(model: Model, facts: Facts) -> Answer:
    """Hold the signature's columns against the features that the model is watched by."""
    inputs, wanted = set(known(facts.inputs)), set(model.feature_names)
    remedy = "log the model with a signature of exactly the catalogue's features"
    if not inputs:
        return failed("the version has no signature", remedy)
    differing = [
        *(f"{name} is not in the signature" for name in sorted(wanted - inputs)),
        *(f"{name} is not in the catalogue" for name in sorted(inputs - wanted)),
    ]
    if differing:
        return failed(listed(differing), remedy)
    return passed(f"{len(inputs)} columns, those of the catalogue")


def training_data(_: Model, facts: Facts) -> Answer:
    tags = known(facts.champion).tags
    lacking = _lacking(tags, _DATA)
    if lacking:
        return failed(f"no tag {listed(lacking)}", "have the training job tag its version")
    return passed(
        f"{tags['training_rows']} rows of {tags['training_data_table']}, Delta version "
        f"{tags['training_data_version']}, up to {tags['training_end']}"
    )


def holdout_apart(_: Model, facts: Facts) -> Answer:
    tags = known(facts.champion).tags
    lacking = _lacking(tags, _HOLDOUT)
    if lacking:
        return failed(f"no tag {listed(lacking)}", "have the training job say what it left out")
    version = tags["holdout_version"]
    return passed(f"{tags['holdout_table']}, version {version}: {tags['holdout_rule']}")


def commit(model: Model, facts: Facts) -> Answer:
    tags = known(facts.champion).tags
    lacking = _lacking(tags, ("git_sha", "branch"))
    if lacking:
        remedy = "set GIT_SHA and GIT_BRANCH where the training job runs"
        return failed(f"{listed(lacking)}: not known", remedy)
    branch = model.readiness.branch
    if tags["branch"] != branch:
        return failed(f"trained by branch {tags['branch']}", f"train from {branch}, after review")
    return passed(f"commit {tags['git_sha']} of {branch}")


def environment(_: Model, facts: Facts) -> Answer:
    packages = known(facts.champion).tags.get("requirements", "").split()
    if not packages:
        return failed("no tag requirements", "have the training job tag its packages' versions")
    return passed(listed(packages))


def gates(model: Model, facts: Facts) -> Answer:
    number, rows = known(facts.champion).version, known(facts.judgement)
    if not rows:
        remedy = f"loop gates --model {model.name} --version {number}, then promote by the loop"
        return failed(f"version {number} was never judged by the gates", remedy)
    bad = [f"{row['gate']} {row['verdict']}" for row in rows if row["verdict"] not in _LETS_THROUGH]
    if bad:
        return failed(listed(bad), "look at the hints in ml_gate_results")
    skips = [str(row["gate"]) for row in rows if row["verdict"] == "SKIP"]
    told = f", skipped by rule: {listed(skips)}" if skips else ""
    return passed(
        f"{len(rows) - len(skips)} passed on {rows[0]['judged_at']:%Y-%m-%d %H:%M}Z{told}"
    )


def fairness(model: Model, facts: Facts) -> Answer:
    if not model.regulated:
        return skipped("the model is not regulated")
    found = [row for row in known(facts.judgement) if row["gate"] == "fairness"]
    if not found or found[0]["verdict"] != "PASS":
        said = found[0]["verdict"] if found else "was not judged"
        return failed(f"fairness {said}", "a regulated model may not serve without")
    attributes = ", ".join(model.gates.fairness.attributes)
    return passed(f"{attributes}: {found[0]['reason']}")


def card(model: Model, facts: Facts) -> Answer:
    """Ask for the card of the promotion that the champion serves by, in table and version alike."""
    serving, row, run = known(facts.champion), known(facts.card), promotion(facts)
    remedy = f"loop ready {model.name} --write-card" if run else "promote a version by the loop"
    if row is None:
        return failed(f"version {serving.version} has no card in ml_model_cards", remedy)
    if run is not None and row["run_id"] != run.run_id:
        told = f"{run.run_id} promoted version {serving.version}, its newest card is of"
        return failed(f"{told} {row['run_id']}", remedy)
    if serving.tags.get(SHA256_TAG) != row["card_sha256"]:
        return failed("the version does not carry the card of ml_model_cards", remedy)
    if row["undeclared"]:
        told = f"models.yaml does not declare {row['undeclared']}"
        return failed(told, "complete the section card: of models.yaml; the next promotion has it")
    return passed(f"{row['audit_id']}, risk tier {row['rai_risk_tier']}")


def cost_tags(model: Model, facts: Facts) -> Answer:
    tags = known(facts.champion).tags
    wanted = {"cost_center": model.cost_center, "domain": model.domain}
    wrong = [
        f"{name} is {tags.get(name) or 'missing'}, not {value}"
        for name, value in wanted.items()
        if tags.get(name) != value
    ]
    wrong += [] if tags.get("intent") else ["intent is missing"]
    if wrong:
        return failed(listed(wrong), "have the training job tag its version, and Spark its session")
    return passed(f"cost center {model.cost_center}, domain {model.domain}, {tags['intent']}")


def latest_judgement(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Give the rows of the last time that a version was judged."""
    last = max((row["judged_at"] for row in rows), default=None)
    return [row for row in rows if row["judged_at"] == last]


def _lacking(tags: Mapping[str, str], names: tuple[str, ...]) -> list[str]:
    return [name for name in names if tags.get(name, "") in _SAID_NOTHING]
