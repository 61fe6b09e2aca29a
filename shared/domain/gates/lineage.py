"""Pre-flight: what made the version is on record, and training has not seen the holdout."""

from __future__ import annotations

import re
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING

from shared.domain.gates.result import Detail, GateResult, Rule, Verdict, error

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from shared.catalogue import Model
    from shared.domain.gates.evidence import Evidence, Lineage

GATE = "lineage"
SOURCE = "gates.lineage.max_unproven"
HOLDOUT = "holdout_table"
HOLDOUT_VERSION = "holdout_version"
TRAINING_END = "training_end"
_PINNED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(\[[A-Za-z0-9,._-]+\])?==[^=\s]+")


def judge(evidence: Evidence, model: Model) -> GateResult:
    """Hold the tags against what must be on record, then the holdout against the training."""
    lineage = evidence.lineage
    if lineage is None:
        return error(GATE, "nobody looked at how the version was made", source=SOURCE)
    faults = missing_tags(lineage.tags)
    if faults:
        return _broken(len(faults), "; ".join(faults), "have the training job set these tags")
    named = lineage.tags[HOLDOUT]
    if named != lineage.holdout_table:
        reason = f"training set {named} aside, the holdout is {lineage.holdout_table}"
        return _broken(1, reason, "judge on the rows that training has kept out")
    if lineage.fault:
        return error(GATE, lineage.fault, hint=_UNREADABLE, n=lineage.rows, source=SOURCE)
    return _seen(lineage, model)


def missing_tags(tags: Mapping[str, str]) -> list[str]:
    """Name each tag that is not there or says nothing, with what it says."""
    return [
        f"{name} is {tags.get(name, '')[:60]!r}" if tags.get(name) else f"{name} is missing"
        for name, right in _REQUIRED.items()
        if not right(tags.get(name, ""))
    ]


def training_end(tags: Mapping[str, str]) -> datetime | None:
    """Give what all training rows are before; None where that is not on record, in UTC."""
    try:
        end = datetime.fromisoformat(tags.get(TRAINING_END, ""))
    except ValueError:
        return None
    return end if end.tzinfo is not None else None


def _locked(text: str) -> bool:
    """Tell whether every line of a requirements list names one version."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return bool(lines) and all(_PINNED.fullmatch(line) for line in lines)


_REQUIRED: Mapping[str, Callable[[str], bool]] = MappingProxyType(
    {
        "retrain_run_id": bool,
        "training_data_table": bool,
        "training_data_version": str.isdecimal,
        TRAINING_END: lambda text: training_end({TRAINING_END: text}) is not None,
        "git_sha": lambda text: re.fullmatch(r"[0-9a-f]{7,64}", text) is not None,
        "requirements": _locked,
        HOLDOUT: bool,
        HOLDOUT_VERSION: str.isdecimal,
    }
)
"""The tags of a version, and what each must look like."""

_UNREADABLE = (
    "the holdout table must keep the version that training saw until the version is judged: "
    "do not vacuum it sooner"
)


def _seen(lineage: Lineage, model: Model) -> GateResult:
    if lineage.changed:
        reason = (
            f"{lineage.changed} rows of {lineage.holdout_table} are not as they were when "
            "training began"
        )
        return _broken(lineage.changed, reason, "find who changed the holdout; train again on it")
    share = lineage.unproven / lineage.rows if lineage.rows else 0.0
    details: dict[str, Detail] = {
        "unproven": lineage.unproven,
        **{name: lineage.tags[name][:200] for name in _REQUIRED},
    }
    rule = Rule(
        gate=GATE,
        measure="share of holdout rows that training may have seen",
        operator="<=",
        threshold=model.gates.lineage.max_unproven,
        source=SOURCE,
        hint="set the days aside before training reads them, and keep training off them",
    )
    return rule.result(share, lineage.rows, details)


def _broken(count: int, reason: str, hint: str) -> GateResult:
    verdict, source = Verdict.FAIL, "version tags"
    return GateResult(GATE, verdict, float(count), 0.0, "<=", count, reason, hint, source)
