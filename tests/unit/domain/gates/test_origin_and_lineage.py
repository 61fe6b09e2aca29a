"""Pre-flight: who made the version, of what, and whether training has seen the holdout."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.gates import lineage, origin
from shared.domain.gates.result import Verdict
from shared.domain.gates.unseen import Rows, unseen
from tests.unit.domain.gates.conftest import a_lineage

START = datetime(2026, 1, 1, tzinfo=UTC)


def traced(evidence, **changes):
    return evidence(lineage=a_lineage(**changes))


class TestOrigin:
    def test_the_version_of_the_run_itself_passes(self, a_model, evidence):
        result = origin.judge(traced(evidence), a_model())

        assert result.verdict is Verdict.PASS

    @pytest.mark.parametrize("made_by", ["run-2", "RUN-1", "run-1 ", ""])
    def test_a_version_of_another_run_fails_and_both_are_named(self, a_model, evidence, made_by):
        result = origin.judge(traced(evidence, tags={"retrain_run_id": made_by}), a_model())

        assert result.verdict is Verdict.FAIL
        assert f"is {made_by or 'missing'}, the run is run-1" in result.reason
        assert result.hint

    def test_outside_a_run_nobody_can_say_and_the_rule_says_so(self, a_model, evidence):
        result = origin.judge(traced(evidence, run_id=""), a_model())

        assert (result.verdict, result.source) == (Verdict.SKIP, origin.NO_RUN)

    def test_a_version_nobody_looked_at_is_an_error(self, a_model, evidence):
        for gate in (origin, lineage):
            assert gate.judge(evidence(lineage=None), a_model()).verdict is Verdict.ERROR


class TestLineage:
    def test_a_version_with_everything_on_record_passes_and_shows_it(self, a_model, evidence):
        result = lineage.judge(traced(evidence), a_model())

        assert (result.verdict, result.value, result.n) == (Verdict.PASS, 0.0, 1000)
        assert result.details["training_data_version"] == "12"
        assert result.details["git_sha"] == "c0ffee0"

    @pytest.mark.parametrize(
        ("tag", "says"),
        [
            ("retrain_run_id", ""),
            ("training_data_table", ""),
            ("training_data_version", "latest"),
            ("training_data_version", "-1"),
            ("training_end", "yesterday"),
            ("training_end", "2026-01-01T00:00:00"),
            ("git_sha", "unknown"),
            ("git_sha", "c0ffee"),
            ("requirements", ""),
            ("requirements", "scikit-learn==1.7.2\nskops"),
            ("requirements", "scikit-learn>=1.7"),
            ("holdout_table", ""),
            ("holdout_version", ""),
        ],
    )
    def test_a_tag_that_is_missing_or_says_nothing_fails_and_is_named(
        self, a_model, evidence, tag, says
    ):
        result = lineage.judge(traced(evidence, tags={tag: says}), a_model())

        assert result.verdict is Verdict.FAIL
        assert tag in result.reason
        assert (repr(says) if says else "missing") in result.reason
        assert result.hint

    def test_a_version_that_kept_another_table_out_fails(self, a_model, evidence):
        result = lineage.judge(traced(evidence, tags={"holdout_table": "a.other"}), a_model())

        assert result.verdict is Verdict.FAIL
        assert "training set a.other aside, the holdout is a.h" in result.reason

    def test_a_holdout_that_was_changed_since_fails(self, a_model, evidence):
        result = lineage.judge(traced(evidence, changed=3), a_model())

        assert result.verdict is Verdict.FAIL
        assert "3 rows of a.h are not as they were" in result.reason

    def test_rows_that_training_may_have_seen_fail_beyond_the_share_allowed(
        self, a_model, evidence
    ):
        few = lineage.judge(traced(evidence, unproven=50), a_model())
        many = lineage.judge(traced(evidence, unproven=51), a_model())

        assert (few.verdict, few.details["unproven"]) == (Verdict.PASS, 50)
        assert (many.verdict, many.value, many.threshold) == (Verdict.FAIL, 0.051, 0.05)

    def test_a_version_of_the_table_that_is_gone_is_an_error_and_no_pass(self, a_model, evidence):
        result = lineage.judge(traced(evidence, fault="a.h: version 3 is kept no more"), a_model())

        assert result.verdict is Verdict.ERROR
        assert "vacuum" in result.hint


def rows(*given: tuple[str, int, int]) -> Rows:
    """Give rows of (id, days after the start, digest)."""
    ids, days, digests = zip(*given, strict=True) if given else ((), (), ())
    start = np.datetime64(START.replace(tzinfo=None))
    return Rows(
        np.array(ids, dtype=np.str_),
        np.array([start + np.timedelta64(day, "D") for day in days], dtype="datetime64[us]"),
        np.array(digests, dtype=np.uint64),
    )


class TestUnseen:
    def test_a_row_is_proven_by_its_time_or_by_having_been_set_aside(self):
        then = rows(("early", 0, 1))
        now = rows(("early", 0, 1), ("late comer", 1, 2), ("at the end", 5, 3), ("after", 6, 4))

        found = unseen(now, then, START + timedelta(days=5))

        assert found.proven.tolist() == [True, False, True, True]
        assert found.changed == 0

    def test_a_row_without_an_id_is_proven_by_its_time_alone(self):
        then = rows(("", 4, 1))
        now = rows(("", 3, 2), ("", 4, 1), ("", 6, 3))

        found = unseen(now, then, START + timedelta(days=5))

        assert found.proven.tolist() == [False, False, True]
        assert found.changed == 0

    def test_the_end_of_training_may_be_told_in_any_zone(self):
        end = datetime(2026, 1, 6, 3, tzinfo=timezone(timedelta(hours=3)))

        assert unseen(rows(("a", 5, 1), ("b", 4, 1)), rows(), end).proven.tolist() == [True, False]

    def test_rows_that_were_changed_or_removed_since_are_counted(self):
        then = rows(("kept", 0, 1), ("changed", 0, 2), ("removed", 0, 3))
        now = rows(("kept", 0, 1), ("changed", 0, 9), ("new", 9, 4))

        assert unseen(now, then, START + timedelta(days=5)).changed == 2

    @given(
        st.dictionaries(
            st.text(min_size=1, max_size=3),
            st.tuples(st.integers(0, 9), st.integers(0, 2)),
            max_size=12,
        ),
        st.sets(st.text(min_size=1, max_size=3), max_size=6),
        st.integers(0, 9),
    )
    def test_no_row_counts_as_unseen_that_training_could_have_read(self, table, aside, end):
        now = rows(*((name, *rest) for name, rest in table.items()))
        then = rows(*((name, *table[name]) for name in table if name in aside))

        found = unseen(now, then, START + timedelta(days=end))

        expected = [name in aside or day >= end for name, (day, _) in table.items()]
        assert found.proven.tolist() == expected
        assert found.changed == 0


def test_the_gate_does_not_forget_a_change_because_the_rest_is_well(a_model, evidence):
    spoiled = replace(a_lineage(), changed=1, unproven=0)

    assert lineage.judge(evidence(lineage=spoiled), a_model()).verdict is Verdict.FAIL
