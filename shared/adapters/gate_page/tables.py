"""The page's tables beside the gates': groups, slices and features, as words."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from shared.adapters.wording import figure, named, percent
from shared.domain.gates.report_groups import Group, Slice, groups, slices

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.domain.gates.report import Judgement

LONGEST_NAME = 60
GROUPS = 30
"""Groups, slices or features that are listed; of more, the lesser ones are counted."""


def attributes(judgement: Judgement) -> list[dict[str, Any]]:
    """Give the groups of each attribute with their rates."""
    found = []
    for attribute in judgement.model.gates.fairness.attributes:
        members = groups(judgement.evidence, judgement.model, attribute)
        if members:
            shown = [_group(member) for member in members[:GROUPS]]
            left = len(members) - len(shown)
            found.append({"name": named(attribute, LONGEST_NAME), "groups": shown, "left": left})
    return found


def _group(member: Group) -> dict[str, Any]:
    rates = (member.predicted, member.actual, member.true_positive, member.false_positive)
    return {
        "name": named(member.name, LONGEST_NAME),
        "n": f"{member.n:,}",
        "compared": member.compared,
        "bar": round(100 * (member.predicted or 0), 1),
        "rates": [percent(rate) for rate in rates],
    }


def parts(judgement: Judgement) -> list[dict[str, Any]]:
    """Give the slices of each column with both versions' errors."""
    found = []
    for column in judgement.model.gates.slices.columns:
        members = slices(judgement.evidence, column)
        if members:
            shown = [_slice(member) for member in members[:GROUPS]]
            left = len(members) - len(shown)
            found.append({"name": named(column, LONGEST_NAME), "slices": shown, "left": left})
    return found


def _slice(member: Slice) -> dict[str, str]:
    change = None
    if member.champion:
        change = member.candidate / member.champion - 1
    return {
        "name": named(member.name, LONGEST_NAME),
        "n": f"{member.n:,}",
        "candidate": figure(member.candidate),
        "champion": figure(member.champion),
        "change": f"{'+' if change and change > 0 else ''}{percent(change)}",
    }


def features(judgement: Judgement) -> list[dict[str, Any]]:
    """Give what each feature is worth to either version, the candidate's most important first."""
    evidence = judgement.evidence
    sides = (evidence.importances, evidence.champion_importances)
    known = [value for side in sides for value in side.values() if math.isfinite(value)]
    most = max([*known, 0.0]) or 1.0
    names = sorted({*sides[0], *sides[1]}, key=lambda name: (-_worth(sides[0], name), name))
    return [
        {
            "name": named(name, LONGEST_NAME),
            "worth": [
                (figure(side.get(name)), round(100 * max(0.0, _worth(side, name)) / most, 1))
                for side in sides
            ],
        }
        for name in names[:GROUPS]
    ]


def _worth(side: Mapping[str, float], name: str) -> float:
    """Give a feature's importance; none where it is not known, for ordering and for a bar."""
    value = side.get(name, 0.0)
    return value if math.isfinite(value) else 0.0
