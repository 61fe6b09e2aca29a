"""What the candidate leans on, and what odd rows do to it."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.gates import explanation, robustness
from shared.domain.gates.result import Verdict

NAMES = ("a", "b", "c", "d")
CHAMPION = {"a": 0.5, "b": 0.3, "c": 0.1, "d": 0.001}


@pytest.fixture
def ranked(a_model):
    """Give a model of four features: the champion's top two, in the candidate's top three."""
    features = tuple(a_model().features[0].model_copy(update={"name": name}) for name in NAMES)
    model = a_model(explanation={"champion_top": 2, "candidate_top": 3})
    return model.model_copy(update={"features": features})


class TestExplanation:
    def judge(self, evidence, model, importances, champion=CHAMPION):
        given = evidence(importances=importances, champion_importances=champion)
        return explanation.judge(given, model)

    def test_a_candidate_that_leans_on_the_same_features_passes(self, ranked, evidence):
        result = self.judge(evidence, ranked, {"c": 0.5, "b": 0.4, "a": 0.2, "d": 0.1})

        assert (result.verdict, result.value) == (Verdict.PASS, 0.0)
        assert result.details["champion_top"] == "a, b"
        assert result.details["candidate_top"] == "c, b, a"

    def test_a_feature_that_has_fallen_out_fails_and_is_named(self, ranked, evidence):
        result = self.judge(evidence, ranked, {"a": 0.5, "c": 0.4, "d": 0.2, "b": 0.1})

        assert (result.verdict, result.value) == (Verdict.FAIL, 1.0)
        assert "lost b" in result.reason
        assert result.hint

    def test_a_feature_that_means_nothing_is_not_among_the_top(self, ranked, evidence):
        result = self.judge(evidence, ranked, {"a": 0.5, "b": 0.0, "c": -0.1, "d": 0.0})

        assert result.verdict is Verdict.FAIL
        assert result.details["candidate_top"] == "a"

    def test_noise_of_the_champion_is_not_asked_for(self, ranked, evidence):
        champion = {"a": 0.5, "b": 0.004, "c": 0.003, "d": 0.0}

        result = self.judge(evidence, ranked, {"a": 0.5, "c": 0.4, "d": 0.3, "b": 0.0}, champion)

        assert result.verdict is Verdict.PASS
        assert result.details["champion_top"] == "a"

    @pytest.mark.parametrize(
        ("candidate", "champion", "said"),
        [
            ({}, CHAMPION, "nobody knows what matters to the candidate"),
            (CHAMPION, {}, "nobody knows what matters to the champion"),
            (CHAMPION | {"b": math.nan}, CHAMPION, "the candidate has no metric with b shuffled"),
            (CHAMPION, dict.fromkeys(NAMES, 0.0), "no feature matters to the champion"),
        ],
    )
    def test_what_is_not_known_is_an_error(self, ranked, evidence, candidate, champion, said):
        result = self.judge(evidence, ranked, candidate, champion)

        assert result.verdict is Verdict.ERROR
        assert said in result.reason

    def test_few_features_cannot_be_ranked(self, a_model, evidence):
        result = explanation.judge(evidence(), a_model())

        assert (result.verdict, result.source) == (Verdict.SKIP, explanation.FEW)

    def test_as_many_features_as_places_are_too_few_and_one_more_is_not(self, ranked):
        fewer = ranked.model_copy(update={"features": ranked.features[:3]})

        assert explanation.applies(ranked)
        assert not explanation.applies(fewer)

    def test_a_feature_at_the_least_share_counts_and_one_below_does_not(self):
        found = {"a": 1.0, "b": 0.01, "c": 0.0099}

        assert explanation.top(found, 3, 0.01) == ["a", "b"]

    @given(st.dictionaries(st.text(max_size=3), st.floats(-1, 1), max_size=9), st.integers(1, 9))
    def test_the_top_has_positive_features_in_order_and_no_more_than_asked(self, found, count):
        names = explanation.top(found, count, 0.0)

        figures = [found[name] for name in names]
        assert len(names) <= count
        assert figures == sorted(figures, reverse=True)
        assert all(figure > 0 for figure in figures)
        rest = [figure for name, figure in found.items() if name not in names]
        assert len(names) == count or all(figure <= 0 for figure in rest)


class TestRobustness:
    def test_a_candidate_that_withstands_every_probe_passes(self, a_model, evidence):
        result = robustness.judge(evidence(), a_model())

        assert (result.verdict, result.value, result.n) == (Verdict.PASS, 0.0, 4)
        assert set(result.details.values()) == {"held"}

    def test_a_probe_that_failed_is_named_with_what_it_saw(self, a_model, evidence):
        probes = evidence().probes | {"missing": "with coin_in missing: it answers nan"}

        result = robustness.judge(evidence(probes=probes), a_model())

        assert (result.verdict, result.value) == (Verdict.FAIL, 1.0)
        assert "missing: with coin_in missing: it answers nan" in result.reason
        assert result.hint

    def test_a_probe_the_model_does_not_ask_for_decides_nothing(self, a_model, evidence):
        probes = evidence().probes | {"missing": "it answers nan"}
        model = a_model(robustness={"probes": ["column_order", "one_row"]})

        result = robustness.judge(evidence(probes=probes), model)

        assert (result.verdict, result.n) == (Verdict.PASS, 2)

    def test_without_probes_it_is_left_out(self, a_model, evidence):
        result = robustness.judge(evidence(), a_model(robustness={"probes": []}))

        assert (result.verdict, result.source) == (Verdict.SKIP, robustness.OFF)

    @pytest.mark.parametrize(
        ("parts", "said"),
        [
            ({"probes": {"missing": ""}}, "not tried: column_order, one_row, extreme"),
            ({"candidate_fault": "it crashed"}, "it crashed"),
        ],
    )
    def test_a_probe_that_was_not_tried_is_an_error(self, a_model, evidence, parts, said):
        result = robustness.judge(evidence(**parts), a_model())

        assert result.verdict is Verdict.ERROR
        assert said in result.reason
