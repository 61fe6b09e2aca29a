"""The model card as Markdown, for people: the same content as the JSON, nothing beside it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_SPECIAL = re.compile(r"([\\`*_\[\]#|~!])")
_LEADING = re.compile(r"^(\d+(?=[.)])|(?=[-+=]))([-+=.)])")
_HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_WORDS = {">=": "at least", "<=": "at most", "<": "below"}
_ENDS = ("_low", "_high")
UNDECLARED = "*Not declared in models.yaml.*"
NONE_FOUND = "*Not known.*"
LOSS = (
    "Loss: the share by which the root mean squared error is above the champion's on the same rows;"
    " below 0 it is smaller. In brackets: 95 % interval, where the gate took one."
)


def text_of(card: Mapping[str, Any]) -> str:
    """Give the card as Markdown; texts in it are data and cannot become markup."""
    model, issued = card["model"], card["issued"]
    parts = [
        f"# Model card: {plain(model['name'])}, version {plain(model['version'])}",
        _issued(issued),
        _section("Purpose", plain(card["purpose"]) or UNDECLARED),
        _section("Intended use", _listed(card["intended_use"])),
        _section("Out of scope", _listed(card["out_of_scope"])),
        _section("Limits", _listed(card["limits"])),
        _section("Contacts", _listed(card["contacts"])),
        _section("The model", _pairs(model)),
        _section("Data", _data(card["data"])),
        _section("Judgement", _judgement(card["judgement"])),
        _section("Metrics", _metrics(card["metrics"])),
        _section("Slices", _slices(card["slices"])),
        _section("Fairness", _fairness(card["fairness"])),
        _section("Monitoring", _pairs(_flat(card["monitoring"]))),
        _section("Not known", _bullets(card["not_known"]) or "Nothing that was looked for."),
    ]
    return "\n\n".join(parts) + "\n"


def plain(value: Any) -> str:
    """Write a value so that Markdown shows it and does nothing else with it."""
    if value is None:
        return ""
    text = " ".join(shown(value).split())
    escaped = _SPECIAL.sub(r"\\\1", text)
    if isinstance(value, str):
        # at a line's beginning these would make a list or a heading
        escaped = _LEADING.sub(r"\1\\\2", escaped)
    return "".join(_HTML.get(character, character) for character in escaped)


def shown(value: Any) -> str:
    """Write a figure in five digits, a flag as yes or no, a list by commas."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.5g}"
    if isinstance(value, list | tuple):
        return ", ".join(shown(each) for each in value)
    return str(value)


def _issued(issued: Mapping[str, Any]) -> str:
    replaced = (
        f"replaces version {plain(issued['replaces'])}" if issued["replaces"] else "the first"
    )
    return (
        f"Champion by {plain(issued['purpose'])} on {plain(issued['at'])}, {replaced}; approved by "
        f"{plain(issued['approver'])}: {plain(issued['reason'])}. Audit: "
        f"{plain(issued['audit_id'])}, run {plain(issued['run_id'])}."
    )


def _section(title: str, body: str) -> str:
    return f"## {title}\n\n{body}"


def _listed(items: Sequence[Any]) -> str:
    return _bullets(items) or UNDECLARED


def _bullets(items: Iterable[Any]) -> str:
    return "\n".join(f"- {plain(item)}" for item in items)


def _pairs(values: Mapping[str, Any]) -> str:
    rows = [[plain(name), plain(value) or "none"] for name, value in values.items()]
    return _table(("What", "Value"), rows) if rows else NONE_FOUND


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _flat(values: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Name what is nested by its path."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        path = f"{before}{name}"
        found |= _flat(value, f"{path}.") if isinstance(value, dict) else {path: value}
    return found


def _data(data: Mapping[str, Any]) -> str:
    features = [f"{each['name']} ({each['kind']})" for each in data["features"]]
    parts = {"training": data["training"], "holdout": data["holdout"], "code": data["code"]}
    known = {
        name: value if value is not None else "not known" for name, value in _flat(parts).items()
    }
    return _pairs(
        {
            **known,
            "target": data["target"],
            "features": features,
            "requirements": data["requirements"],
        }
    )


def _judgement(judgement: Mapping[str, Any]) -> str:
    if judgement["fault"]:
        return f"**None:** {plain(judgement['fault'])}."
    head = ("Gate", "Verdict", "Value", "Interval", "Limit", "n", "Why")
    rows = [_gate(gate) for gate in judgement["gates"]]
    compared = plain(judgement["compared_with"]) or "none"
    return (
        f"**{plain(judgement['verdict'])}** on {plain(judgement['judged_at'])}, beside champion "
        f"version {compared}. Report {plain(judgement['report'])}, SHA-256 "
        f"{plain(judgement['report_sha256'])}.\n\n{_table(head, rows)}"
    )


def _gate(gate: Mapping[str, Any]) -> list[str]:
    word = _WORDS.get(gate["operator"] or "", "")
    limit = "" if gate["threshold"] is None else f"{word} {plain(gate['threshold'])}"
    return [
        plain(gate["gate"]),
        plain(gate["verdict"]),
        plain(gate["value"]),
        _interval(gate),
        limit.strip(),
        plain(gate["n"]),
        plain(gate["reason"]),
    ]


def _interval(figure: Mapping[str, Any]) -> str:
    ends = figure.get("low"), figure.get("high")
    return f"{plain(ends[0])} to {plain(ends[1])}" if None not in ends else ""


def _metrics(metrics: Mapping[str, Any]) -> str:
    rows = [
        [plain(name), plain(found.get("value")), _interval(found)]
        for name, found in metrics.items()
    ]
    return _table(("Metric", "Value", "95 % interval"), rows) if rows else NONE_FOUND


def _slices(slices: Mapping[str, Any]) -> str:
    parts = slices["parts"]
    names = list(dict.fromkeys(name for found in parts.values() for name in found))
    measures = [name for name in names if not name.endswith(_ENDS)]
    rows = [
        [plain(part), *(_with_interval(found, name) for name in measures)]
        for part, found in parts.items()
    ]
    tables = [_table(("Slice", *map(plain, measures)), rows)] if rows else []
    tables += [LOSS] if "loss" in measures else []
    tables += [_pairs(slices["others"])] if slices["others"] else []
    return "\n\n".join(tables) or NONE_FOUND


def _with_interval(found: Mapping[str, Any], name: str) -> str:
    interval = _interval({end: found.get(f"{name}_{end}") for end in ("low", "high")})
    return f"{plain(found.get(name))} ({interval})" if interval else plain(found.get(name))


def _fairness(fairness: Mapping[str, Any]) -> str:
    why = f": {plain(fairness['reason'])}" if fairness["reason"] else ""
    attributes = plain(fairness["attributes"]) or "none"
    told = f"**{plain(fairness['verdict']) or 'Not judged'}**{why}. Attributes: {attributes}."
    return f"{told}\n\n{_pairs(fairness['limits'] | fairness['figures'])}"
