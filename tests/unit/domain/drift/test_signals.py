"""Signals beside the profiles: volume, freshness, packages, parity and importance."""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from shared.domain.drift.columns import Scratch
from shared.domain.drift.concept import explained, importance_measure, spearman
from shared.domain.drift.environment import environment_measure, read_pins
from shared.domain.drift.fairness_drift import Rate, added, group_rates, parity_measure
from shared.domain.drift.measures import Metric
from shared.domain.drift.spec import DayProfile, Reference
from shared.domain.drift.verdict import conclude, judge
from shared.domain.drift.volume import stale_measure, volume_measure
from shared.domain.drift.window import profile_reference
from shared.sections.drift import DriftSettings

SETTINGS = DriftSettings()
END = datetime(2013, 6, 1, tzinfo=UTC)
FIRST = date(2013, 5, 25)
DAY = timedelta(days=1)


@pytest.fixture
def reference(make_model, make_rows):
    """Twenty days with 100 rows each."""
    model, rows = make_model({"x": "numeric"}), make_rows(pa.table({"x": np.arange(2000.0)}))
    return Reference(END - 40 * DAY, END - 20 * DAY, 10, profile_reference(model, rows, Scratch()))


def days(*counts, blank):
    return [
        DayProfile(FIRST + DAY * place, replace(blank, rows=count))
        for place, count in enumerate(counts)
    ]


def judged(*measures):
    quiet = replace(measures[0], metric=Metric.PSI, effect=0.0, p_value=1.0, grades=None)
    window = judge([*measures, replace(quiet, readiness="ready")], SETTINGS)
    return window, conclude([window, window], SETTINGS)


# --- volume and freshness --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "status", "severity"),
    [
        (100, "STABLE", "HEALTHY"),
        (300, "STABLE", "HEALTHY"),
        (80, "STABLE", "P3"),
        (70, "DRIFT", "P2"),
        (40, "DRIFT", "P1"),
        (0, "DRIFT", "P1"),
    ],
)
def test_a_fall_of_the_rows_a_day_is_graded_by_the_severity_matrix(
    reference, rows, status, severity
):
    measure = volume_measure(reference, days(*[rows] * 7, blank=reference.spec.blank()), SETTINGS)

    (finding, _), verdict = judged(measure)

    assert measure.value == pytest.approx(1 - rows / 100)
    assert (finding.status, verdict.severity) == (status, severity)


def test_a_fall_of_the_volume_asks_for_no_retrain(reference):
    measure = volume_measure(reference, days(1, 1, blank=reference.spec.blank()), SETTINGS)

    _, verdict = judged(measure)

    assert verdict.decision == "NO_TRIGGER"
    assert verdict.reasons == ()
    assert verdict.warnings[0].startswith("VOLUME_DROP: __volume__")


def test_three_rows_instead_of_five_are_no_fall(reference):
    few = replace(reference, profile=replace(reference.profile, rows=50))

    (finding, _), _ = judged(volume_measure(few, days(1, 2, blank=few.spec.blank()), SETTINGS))

    assert (finding.measure.value, finding.status) == (pytest.approx(0.4), "STABLE")


def test_a_version_that_was_never_asked_has_no_volume_and_is_not_stale(reference):
    never = replace(reference, profile=replace(reference.profile, rows=0))
    window = days(0, 0, blank=never.spec.blank())

    found = [volume_measure(never, window, SETTINGS), stale_measure(END, window, 0, SETTINGS)]

    assert {measure.readiness for measure in found} == {"insufficient"}


@pytest.mark.parametrize(
    ("counts", "hours", "status"),
    [
        ((9, 9, 9, 9, 9, 9, 9), 0, "STABLE"),
        ((9, 9, 9, 9, 9, 9, 0), 24, "STABLE"),
        ((9, 9, 9, 9, 9, 0, 0), 48, "DRIFT"),
        ((0, 0, 0, 0, 0, 0, 0), 168, "DRIFT"),
    ],
)
def test_hours_without_a_row_are_counted_in_whole_days(reference, counts, hours, status):
    measure = stale_measure(END, days(*counts, blank=reference.spec.blank()), 2000, SETTINGS)

    (finding, _), verdict = judged(measure)

    assert (measure.value, finding.status) == (hours, status)
    assert verdict.decision == "NO_TRIGGER"


# --- packages --------------------------------------------------------------------------------

LOCK = (
    "# made by pip\nnumpy==2.4.6\nscikit_learn==1.9.1 \nskops\nfoo[bar]==1.0 ; python_version>'3'\n"
)


def test_the_exact_pins_of_a_lock_are_read_and_nothing_else():
    assert read_pins(LOCK) == {"numpy": "2.4.6", "scikit-learn": "1.9.1", "foo": "1.0"}


@given(st.text(max_size=200))
def test_whatever_a_tag_holds_it_is_read_without_an_error(text):
    assert all(name and version for name, version in read_pins(text).items())


def test_packages_as_they_were_trained_with_are_stable():
    installed = {"NumPy": "2.4.6", "scikit-learn": "1.9.1", "foo": "1.0", "other": "3"}

    (finding, _), verdict = judged(environment_measure({"requirements": LOCK}, installed))

    assert (finding.status, finding.measure.value) == ("STABLE", 0)
    assert verdict.severity == "HEALTHY"


def test_packages_that_differ_are_counted_and_named_and_ask_for_nothing():
    installed = {"numpy": "2.4.6", "scikit-learn": "1.8.0"}

    (finding, _), verdict = judged(environment_measure({"requirements": LOCK}, installed))

    assert (finding.status, finding.measure.value) == ("DRIFT", 2)
    assert "scikit-learn 1.8.0, trained with 1.9.1" in finding.measure.note
    assert "foo is not deployed" in finding.measure.note
    assert (verdict.decision, verdict.severity) == ("NO_TRIGGER", "P3")


def test_a_version_without_a_lock_cannot_be_compared():
    measure = environment_measure({}, {"numpy": "2.4.6"})

    assert (measure.readiness, measure.value) == ("unknown", None)
    assert "requirements" in measure.note


# --- parity ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Grouped:
    prediction: np.ndarray
    attributes: dict


def rates(**shares):
    return {name: Rate(round(share * 1000), 1000) for name, share in shares.items()}


def test_favourable_answers_are_counted_by_group_and_rows_without_one_are_left_out():
    rows = Grouped(
        np.array([0.9, 0.1, 0.5, np.nan, 0.8]),
        {"site": np.array(["north", "north", "south", "south", "south"])},
    )

    assert group_rates(rows, "site", SETTINGS) == {"north": Rate(1, 2), "south": Rate(1, 2)}


def test_counts_of_pieces_add_up_whatever_groups_each_has():
    assert added([{"a": Rate(1, 2)}, {"a": Rate(2, 5), "b": Rate(0, 1)}, {}]) == {
        "a": Rate(3, 7),
        "b": Rate(0, 1),
    }


def test_groups_that_grew_apart_are_a_finding_that_asks_for_a_retrain():
    measure = parity_measure("site", rates(a=0.5, b=0.45), rates(a=0.6, b=0.35), SETTINGS)

    (finding, _), verdict = judged(measure)

    assert (finding.status, measure.value) == ("DRIFT", pytest.approx(0.20))
    assert (verdict.decision, verdict.severity) == ("TRIGGER", "P2")
    assert verdict.reasons[0].startswith("FAIRNESS_DRIFT: site")


@pytest.mark.parametrize(
    "now", [rates(a=0.5, b=0.1), rates(a=0.3, b=0.0), rates(b=0.3, a=0.6)], ids=str
)
def test_groups_as_far_apart_as_they_always_were_are_stable(now):
    (finding, _), _ = judged(parity_measure("site", rates(a=0.5, b=0.15), now, SETTINGS))

    assert finding.status == "STABLE"


def test_small_groups_are_left_out_and_named():
    now = {**rates(a=0.5, b=0.5), "tiny": Rate(29, 29)}
    before = {**rates(a=0.5, b=0.5), "tiny": Rate(0, 500)}

    measure = parity_measure("site", before, now, SETTINGS)

    assert measure.value == 0
    assert "left out: 'tiny'" in measure.note


def test_one_group_has_nothing_to_be_compared_with():
    measure = parity_measure("site", rates(a=0.5), rates(a=0.9), SETTINGS)

    assert (measure.readiness, measure.value) == ("insufficient", None)


@pytest.mark.parametrize("groups", [2, 8])
def test_groups_that_are_treated_alike_are_seldom_found_apart(groups):
    chance, found = np.random.default_rng(1), 0
    for _ in range(300):
        pair = [
            {str(g): Rate(int(chance.binomial(40, 0.5)), 40) for g in range(groups)}
            for _ in range(2)
        ]
        found += parity_measure("site", *pair, SETTINGS).p_value < 0.05

    assert found / 300 <= 0.08  # the nominal 0.05, and the luck of 300 draws


# --- importance ------------------------------------------------------------------------------

NAMES = ("a", "b", "c", "d", "e", "f")
USUAL = (3.0, 2.0, 1.5, 1.0, 0.5, 0.0)


@dataclass(frozen=True)
class Explained:
    features: pa.Table
    actual: np.ndarray


def weighed(weights, rows=1500, seed=1):
    """An actual that depends on the features with these weights; one of them is a category."""
    chance = np.random.default_rng(seed)
    values = chance.normal(size=(rows, len(NAMES)))
    actual = values @ np.array(weights) + chance.normal(0, 0.5, size=rows)
    columns = {name: values[:, place] for place, name in enumerate(NAMES)}
    columns["f"] = np.where(values[:, 5] > 0, "high", "low")
    return Explained(pa.table(columns), actual)


@pytest.fixture
def model(make_model):
    kinds = dict.fromkeys(NAMES[:-1], "numeric") | {"f": "categorical"}
    return make_model(kinds, drift={"importance": True})


def test_the_same_features_explain_the_actual_as_before(model):
    measure = importance_measure(model, weighed(USUAL), weighed(USUAL, seed=2))

    (finding, _), _ = judged(measure)

    assert measure.value > 0.9
    assert finding.status == "STABLE"


def test_features_that_changed_places_are_concept_drift_that_never_decides_alone(model):
    measure = importance_measure(model, weighed(USUAL), weighed(USUAL[::-1], seed=2))

    (finding, _), verdict = judged(measure)

    assert (finding.status, measure.threshold) == ("CONCEPT_DRIFT", 0.70)
    assert measure.value < 0
    assert (verdict.decision, verdict.reasons) == ("NO_TRIGGER", ())
    assert verdict.warnings[0].startswith("CONCEPT_DRIFT")
    assert verdict.severity == "P3"


def test_concept_drift_beside_degraded_performance_is_p1(model):
    concept = importance_measure(model, weighed(USUAL), weighed(USUAL[::-1], seed=2))
    worse = replace(concept, metric=Metric.RMSE_DELTA_PCT, effect=0.5, floor=0.1, p_value=0.0)

    _, verdict = judged(concept, worse)

    assert verdict.severity == "P1"
    assert [reason.split(":")[0] for reason in verdict.reasons] == ["PERF_RMSE_DEGRADATION"]


def test_windows_of_the_same_kind_are_seldom_concept_drift(model):
    reference, found = weighed((1.0, 0.9, 0.8, 0.7, 0.6, 0.5)), 0
    for seed in range(2, 42):
        window = weighed((1.0, 0.9, 0.8, 0.7, 0.6, 0.5), rows=150, seed=seed)
        (finding, _), _ = judged(importance_measure(model, reference, window))
        found += finding.status == "CONCEPT_DRIFT"

    assert found <= 1


@pytest.mark.parametrize(
    ("rows", "readiness"), [(50, "insufficient"), (150, "ready")], ids=["few", "enough"]
)
def test_importance_needs_rows_with_an_actual(model, rows, readiness):
    window = weighed(USUAL, rows=300)
    window.actual[rows:] = np.nan

    assert importance_measure(model, weighed(USUAL), window).readiness == readiness


def test_importance_needs_features_and_an_actual_that_varies(make_model):
    kinds = dict.fromkeys(NAMES[:4], "numeric")
    constant = replace(weighed(USUAL), actual=np.full(1500, 3.0))
    two = dict.fromkeys(NAMES[:2], "numeric")

    still = importance_measure(make_model(kinds), constant, weighed(USUAL))
    few = importance_measure(make_model(two), weighed(USUAL), weighed(USUAL))

    assert (still.readiness, few.readiness) == ("unknown", "unknown")
    assert "needed 4" in few.note


def test_columns_that_vanished_or_hold_words_explain_nothing(model):
    window = weighed(USUAL)
    odd = window.features.set_column(0, "a", pa.nulls(1500)).set_column(
        1, "b", pa.array(["word"] * 1500)
    )

    measure = importance_measure(model, weighed(USUAL), replace(window, features=odd))

    assert measure.readiness == "ready"
    assert "now led by c, d" in measure.note


def test_no_more_rows_are_used_than_the_catalogue_says(make_model):
    kinds = dict.fromkeys(NAMES[:-1], "numeric")
    model = make_model(kinds, drift={"importance_rows": 200})

    measure = importance_measure(model, weighed(USUAL), weighed(USUAL))

    assert (measure.n_reference, measure.n_current) == (200, 200)


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=2, max_size=30))
def test_the_rank_correlation_is_scipys_with_ties(pairs):
    one, two = (np.array(side, dtype=float) for side in zip(*pairs, strict=True))

    found = spearman(one, two)

    if len(set(one)) > 1 and len(set(two)) > 1:
        assert found == pytest.approx(spearmanr(one, two).statistic)
    else:
        assert np.isnan(found)


def test_a_feature_without_meaning_explains_nothing_on_average():
    chance = np.random.default_rng(3)
    shares = [
        explained([chance.integers(0, 10, 200)], chance.normal(size=200))[0] for _ in range(300)
    ]

    assert abs(np.mean(shares)) < 0.005
