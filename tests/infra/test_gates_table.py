"""The table of a pull request: what `loop gates --json` writes, for people who read on GitHub."""

import json
import re
import runpy
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = runpy.run_path(str(ROOT / "scripts" / "gates_table.py"))


def gate(**changes: Any) -> dict[str, Any]:
    return {
        "gate": "performance",
        "verdict": "PASS",
        "value": 0.91234,
        "threshold": 0.8,
        "operator": ">=",
        "n": 12345,
        "reason": "R2 is above the floor",
    } | changes


def judgement(*gates: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "model_name": "flight-delay",
        "model_version": "7",
        "champion_version": "6",
        "judged_at": "2013-07-01T04:00:00+00:00",
        "verdict": "PASS",
        "gates": list(gates) or [gate()],
    } | changes


def written(folder: Path, *documents: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> str:
    for number, document in enumerate(documents):
        (folder / f"{number}.json").write_text(json.dumps(document))
    SCRIPT["main"]([str(folder)])
    return capsys.readouterr().out


def test_each_gate_is_a_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    text = written(tmp_path, judgement(gate(), gate(gate="holdout")), capsys=capsys)

    assert "### ✅ PASS: flight-delay version 7" in text
    row = r"| performance | ✅ PASS | 0.9123 | \>= 0.8 | 12,345 | R2 is above the floor |"
    assert row in text.splitlines()
    assert len([line for line in text.splitlines() if line.startswith("| ")]) == 3


def test_a_gate_without_figures_has_empty_cells(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    empty = gate(verdict="ERROR", value=None, threshold=None, operator="", n=None, reason="no rows")

    text = written(tmp_path, judgement(empty, verdict="ERROR"), capsys=capsys)

    assert "| performance | ⚠️ ERROR |  |  |  | no rows |" in text.splitlines()


@pytest.mark.parametrize(
    "reason",
    [
        "a | b",
        "line\nbreak | - [x](http://evil.example)",
        "![image](http://evil.example/x.png)",
        "<script>alert(1)</script>",
        "thanks @everyone",
        "`code`",
        "see https://evil.example or HTTP://EVIL.EXAMPLE",
        "see www.evil.example",
        "as in #1",
    ],
)
def test_a_reason_cannot_write_markdown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], reason: str
):
    text = written(tmp_path, judgement(gate(reason=reason)), capsys=capsys)

    (row,) = [line for line in text.splitlines() if line.startswith("| performance")]
    unescaped = row.replace("\\\\", "")
    for special in ("[", "]", "<", "`", "!["):
        assert unescaped.count(special) == unescaped.count(f"\\{special}")
    assert not re.search(r"@everyone|://|www\.|#1", row, re.IGNORECASE)
    assert row.replace("\\|", "").count("|") == 7


def test_every_model_has_its_own_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    other = judgement(model_name="slot-revenue", verdict="FAIL", champion_version=None)

    text = written(tmp_path, judgement(), other, capsys=capsys)

    assert text.count("| gate |") == 2
    assert "### ❌ FAIL: slot-revenue version 7" in text
    assert "Champion: none." in text


def test_no_judgement_is_said_and_not_an_empty_comment(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert "No model has a judgement" in written(tmp_path, capsys=capsys)


def test_the_models_names_are_read_without_their_settings(capsys: pytest.CaptureFixture[str]):
    SCRIPT["main"](["--models", str(ROOT / "models.yaml")])

    names = capsys.readouterr().out.split()

    assert names == ["flight-arrival-delay", "casino-slot-revenue-forecast-gbt"]
