"""The model card: complete, honest about what is not known, and harmless as Markdown."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.card import Issue, Judgement, Subject, card_of, json_of, row_of
from shared.domain.card_text import plain, text_of
from shared.domain.tables import MODEL_CARDS
from tests.fakes.samples import card_document, catalogue_of, model_document

NOW = datetime(2013, 8, 8, 4, tzinfo=UTC)
TAGS = {
    "training_data_table": "lh_gold/fact_flights",
    "training_data_version": "12",
    "training_rows": "104000",
    "training_start": "2013-01-01T00:00:00+00:00",
    "training_end": "2013-07-18T04:00:00+00:00",
    "holdout_table": "lh_gold/flight_holdout",
    "holdout_version": "3",
    "holdout_rule": "every fourth day",
    "git_sha": "c0ffee",
    "requirements": "mlflow==3.1\nnumpy==2.3",
}
ISSUE = Issue(NOW, "flight-delay/9", "run-1", "promotion", "1", "seven days won", "ana@example.com")
REPORT = {
    "verdict": "PASS",
    "judged_at": "2013-07-18T05:00:00+00:00",
    "champion_version": "1",
    "gates": [
        {"gate": "performance", "verdict": "PASS", "value": 0.93, "operator": ">=",
         "threshold": 0.8, "n": 4210, "reason": "R2 0.93", "source": "gates.performance.floor",
         "details": {"candidate_r2": 0.93, "low": 0.91, "high": 0.95, "difference": 0.02,
                     "difference_low": 0.01, "difference_high": 0.03}},
        {"gate": "slices", "verdict": "PASS", "value": 1.02, "operator": "<=", "threshold": 1.1,
         "n": 900, "reason": "carrier=UA", "source": "gates.slices",
         "details": {"carrier=UA loss": 0.02, "carrier=UA n": 900,
                     "left out": "carrier=AS (44)"}},
        {"gate": "fairness", "verdict": "PASS", "value": 0.9, "operator": ">=", "threshold": 0.8,
         "n": 4210, "reason": "parity 0.9", "source": "gates.fairness.min_parity_ratio",
         "details": {"region demographic parity ratio": 0.9}},
    ],
}  # fmt: skip
JUDGED = Judgement(REPORT, "", "run-1/gates.json", "ab" * 32)


def card(judgement: Judgement = JUDGED, tags: dict[str, str] | None = None, **model: Any):
    subject = Subject("2", "train-1", "models:/m-1", TAGS if tags is None else tags)
    return card_of(
        catalogue_of(model_document(**model)).models[0], ISSUE, subject, judgement, "0 0 4 * * *"
    )


def test_the_card_has_every_part_a_reader_looks_for():
    said = card()

    assert said["purpose"] == "Says how late a flight will be."
    assert said["data"]["training"] == {
        "table": "lh_gold/fact_flights", "version": 12, "rows": 104000,
        "start": "2013-01-01T00:00:00+00:00", "end": "2013-07-18T04:00:00+00:00",
    }  # fmt: skip
    assert said["data"]["requirements"] == ["mlflow==3.1", "numpy==2.3"]
    performance = said["judgement"]["gates"][0]
    assert (performance["value"], performance["low"], performance["high"]) == (0.93, 0.91, 0.95)
    assert said["metrics"] == {
        "candidate_r2": {"value": 0.93, "low": 0.91, "high": 0.95},
        "difference": {"value": 0.02, "low": 0.01, "high": 0.03},
    }
    assert said["slices"] == {
        "parts": {"carrier=UA": {"loss": 0.02, "n": 900}},
        "others": {"left out": "carrier=AS (44)"},
    }
    assert said["fairness"]["figures"] == {"region demographic parity ratio": 0.9}
    assert said["monitoring"]["psi"] == {"moderate": 0.1, "significant": 0.2, "severe": 0.25}
    assert said["monitoring"]["drift_schedule"] == "0 0 4 * * *"
    assert (said["undeclared"], said["not_known"]) == ([], [])


def test_a_regression_and_a_classification_are_watched_by_their_own_errors():
    assert set(card()["monitoring"]["performance"]) == {"rmse_increase", "mape_increase"}
    classified = card(task="classification")["monitoring"]["performance"]
    assert set(classified) == {"auc_decrease", "accuracy_decrease", "brier_increase"}


def test_what_a_version_does_not_say_is_named_and_never_made_up():
    said = card(Judgement(fault="no run has judged it"), tags={"training_rows": "many"})

    assert said["data"]["training"]["rows"] == "many"
    assert said["data"]["training"]["end"] is None
    assert "the version has no tag training_end" in said["not_known"]
    assert "no run has judged it" in said["not_known"]
    assert "the version has no tag training_rows" not in said["not_known"]
    assert "**None:** no run has judged it." in text_of(said)


def test_a_card_without_a_section_says_what_is_not_declared():
    document = model_document()
    document.pop("card")
    subject = Subject("2", "", "", TAGS)

    said = card_of(catalogue_of(document).models[0], ISSUE, subject, JUDGED, "")

    assert said["undeclared"] == [
        *("purpose", "intended_use", "out_of_scope", "limits", "contacts", "risk_tier")
    ]
    assert text_of(said).count("Not declared in models.yaml") == 5
    assert row_of(said, "{}", "ab", NOW)["rai_risk_tier"] is None


def test_the_row_has_the_table_s_columns():
    said = card()

    row = row_of(said, json_of(said), "ab" * 32, NOW)

    assert set(row) == {column.name for column in MODEL_CARDS.columns}
    notebook = ["model_name", "model_version", "audit_id", "audit_ts", "rai_risk_tier"]
    assert [column.name for column in MODEL_CARDS.columns][:6] == [*notebook, "model_card_json"]


def test_the_text_shows_the_interval_beside_the_value():
    text = text_of(card())

    assert "| performance | PASS | 0.93 | 0.91 to 0.95 | at least 0.8 | 4210 | R2 0.93 |" in text
    assert "| candidate\\_r2 | 0.93 | 0.91 to 0.95 |" in text
    assert "| carrier=UA | 0.02 | 900 |" in text


def test_a_slice_shows_the_interval_beside_its_figure_where_there_is_one():
    details = {
        "zone=a loss": 0.02, "zone=a loss_low": 0.01, "zone=a loss_high": 0.03, "zone=a n": 900,
        "zone=b loss": 0.05, "zone=b n": 400,
    }  # fmt: skip
    said = card(Judgement({"gates": [{"gate": "slices", "details": details}]}))

    text = text_of(said)

    assert said["slices"]["parts"]["zone=a"]["loss_low"] == 0.01
    assert "| Slice | loss | n |" in text
    assert "| zone=a | 0.02 (0.01 to 0.03) | 900 |\n| zone=b | 0.05 | 400 |" in text


@pytest.mark.parametrize(
    "bad",
    [
        "<script>alert(1)</script>",
        "a | b",
        "# title",
        "[x](http://x)",
        "`code`",
        "a\n\n# b",
        "- item",
        "1. item",
        "=== a",
        "> a",
    ],
)
def test_texts_are_data_in_the_markdown(bad: str):
    honest, told = text_of(card()), text_of(card(card=card_document(purpose=bad)))

    assert "<" not in told.replace("&lt;", "")
    assert len(told.splitlines()) == len(honest.splitlines())
    assert len(re.findall(r"^#", told, re.MULTILINE)) == len(
        re.findall(r"^#", honest, re.MULTILINE)
    )


@given(st.text())
def test_no_text_is_markup_once_it_is_plain(text: str):
    safe = plain(text)

    assert not re.search(r"(?<!\\)(\\\\)*[*_`\[\]|#<>]", safe)
    assert "\n" not in safe


def test_the_example_in_the_docs_is_a_card_of_today():
    folder = Path(__file__).parents[3] / "docs" / "examples"
    written = (folder / "model_card.json").read_text(encoding="utf-8")

    example = json.loads(written)

    assert shape(example) == shape(card())
    assert json_of(example) == written
    assert text_of(example) == (folder / "model_card.md").read_text(encoding="utf-8")


def shape(said: dict[str, Any]) -> dict[str, Any]:
    """Give the names that every card has; those of figures depend on the gates."""
    named = ("model", "issued", "data", "judgement", "fairness", "monitoring")
    return {part: sorted(said[part]) if part in named else None for part in said}


def test_a_date_at_the_beginning_of_a_text_is_left_as_it_is():
    assert plain("2013-07-18T04:00:21+00:00") == "2013-07-18T04:00:21+00:00"
    assert [plain(text) for text in ("1. x", "2) x", "- x", "+ x", "===")] == [
        *("1\\. x", "2\\) x", "\\- x", "\\+ x", "\\==="),
    ]


values = st.one_of(st.none(), st.text(max_size=20), st.integers(), st.booleans())
figures = st.dictionaries(
    st.text(max_size=10), st.one_of(st.text(max_size=10), st.integers(), st.floats(-1e9, 1e9))
)
gates = st.lists(
    st.fixed_dictionaries(
        {"gate": st.sampled_from(["performance", "slices", "fairness", "origin"]),
         "details": figures},
        optional={"verdict": values, "value": st.none() | st.floats(-1, 1), "reason": values,
                  "threshold": st.none() | st.floats(-1, 1), "n": st.integers()},
    ),
    max_size=5,
)  # fmt: skip


@given(tags=st.dictionaries(st.sampled_from([*TAGS, "other"]), st.text(max_size=20)), given=gates)
def test_whatever_is_known_of_a_version_there_is_a_card_and_it_is_the_same_twice(tags, given):
    judgement = Judgement({"verdict": "PASS", "gates": given}, "", "r", "h")

    first, second = card(judgement, tags), card(judgement, tags)

    assert json_of(first) == json_of(second)
    assert json.loads(json_of(first)) == first
    assert text_of(first) == text_of(json.loads(json_of(first)))
