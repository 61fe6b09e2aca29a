"""What models, experiments and runs are called: what Fabric takes, and the convention of the house.

Names alone; nothing is looked up. The convention is advice: a registered model cannot be renamed,
so one that has versions under its name keeps it.
"""

import re
from collections.abc import Iterator

LONGEST = 255
"""Characters. Source: Fabric's MLflow plugin, fewer than 256."""
_TAKEN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""Source: Fabric's MLflow plugin."""
_WORDS = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_MODEL_PARTS, _EXPERIMENT_PARTS = 3, 2


def refused(name: str, kind: str = "model") -> str:
    """Say why Fabric would not take the name of a model or an experiment, or nothing."""
    if len(name) > LONGEST:
        return f"{len(name)} characters, at most {LONGEST}"
    if _TAKEN.fullmatch(name) is None:
        return "only letters, digits and -._ are taken, a letter or digit first"
    if kind == "experiment" and "." in name:
        return "an experiment's name may hold no period"
    return ""


def model_advice(name: str, domain: str) -> tuple[str, ...]:
    """Say in what a model's name is not ``{domain}-{task}-{algorithm}``. Source: MLOps guide."""
    return tuple(_advice(name, domain, _MODEL_PARTS, "{domain}-{task}-{algorithm}"))


def experiment_advice(name: str, domain: str) -> tuple[str, ...]:
    """Say in what an experiment's name is not ``{domain}-{task}``: one a domain and task."""
    return tuple(_advice(name, domain, _EXPERIMENT_PARTS, "{domain}-{task}"))


def run_advice(name: str, retrain_run_id: str) -> str:
    """Say why a run's name does not lead back to the retrain that made it, or nothing.

    It is the retrain's run id; a nested trial adds ``-trial-`` and its number.
    """
    trial = re.fullmatch(r"(?P<run>.+)-trial-\d+", name)
    if retrain_run_id in {name, trial["run"] if trial else None}:
        return ""
    return f"neither {retrain_run_id} nor one of its trials"


def _advice(name: str, domain: str, parts: int, form: str) -> Iterator[str]:
    if _WORDS.fullmatch(name) is None:
        yield "not lower-case words joined by hyphens"
    if not name.startswith(f"{domain}-"):
        yield f"does not begin with its domain, {domain}"
    elif len(name.split("-")) < len(domain.split("-")) + parts - 1:
        yield f"fewer than {parts} parts: {form}"
