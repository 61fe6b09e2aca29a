"""How results leave the domain: rows of ``lh_gold.ml_gate_results``, version tags, a report."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared.domain.gates.judge import decide
from shared.domain.gates.result import GateResult, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

TABLE = "lh_gold.ml_gate_results"
TAG_LENGTH = 250
"""Longest tag, characters: registries allow from 5,000, but a tag is read in a narrow column."""


@dataclass(frozen=True)
class Judged:
    """Which version was judged, for which run.

    Attributes:
        champion_version: the version compared with, empty where there was none.
        judged_at: UTC.
    """

    run_id: str
    model_name: str
    model_version: str
    champion_version: str
    judged_at: datetime


def rows(judged: Judged, results: Sequence[GateResult]) -> list[dict[str, Any]]:
    """Give one row a gate, with the columns of ``lh_gold.ml_gate_results``."""
    return [_row(judged, result) for result in results]


def tags(results: Sequence[GateResult]) -> dict[str, str]:
    """Give one tag a gate for the model version, such as ``PASS 0.87 >= 0.8 n=4210``."""
    return {f"gate.{result.gate}": _tag(result) for result in results}


def report(judged: Judged, results: Sequence[GateResult]) -> dict[str, Any]:
    """Give the whole judgement in JSON types."""
    return {
        "run_id": judged.run_id,
        "model_name": judged.model_name,
        "model_version": judged.model_version,
        "champion_version": judged.champion_version,
        "judged_at": judged.judged_at.isoformat(),
        "verdict": decide(results).value,
        "gates": [_gate(result) | {"details": _json(result)} for result in results],
    }


def _row(judged: Judged, result: GateResult) -> dict[str, Any]:
    return {
        "run_id": judged.run_id,
        "model_name": judged.model_name,
        "model_version": judged.model_version,
        "champion_version": judged.champion_version,
        **_gate(result),
        "details_json": json.dumps(_json(result), sort_keys=True, allow_nan=False),
        "judged_at": judged.judged_at,
    }


def _gate(result: GateResult) -> dict[str, Any]:
    return {
        "gate": result.gate,
        "verdict": result.verdict.value,
        "value": result.value,
        "threshold": result.threshold,
        "operator": result.operator,
        "n": result.n,
        "reason": result.reason,
        "hint": result.hint,
        "source": result.source,
        "duration_ms": result.duration_ms,
    }


def _json(result: GateResult) -> dict[str, Any]:
    """Give the details; a figure that is no number becomes text, which JSON can hold."""
    return {
        name: str(value) if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in result.details.items()
    }


def _tag(result: GateResult) -> str:
    if result.verdict in (Verdict.PASS, Verdict.FAIL):
        figures = f"{result.value:.4g} {result.operator} {result.threshold:.4g}"
        return f"{result.verdict} {figures} n={result.n}"
    return f"{result.verdict} {result.reason}"[:TAG_LENGTH]
