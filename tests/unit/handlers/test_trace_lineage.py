"""Which rows of the holdout training cannot have seen, traced through the version's tags."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.domain.gates.lineage import judge
from shared.domain.gates.result import Verdict
from shared.errors import Unavailable
from shared.handlers.gather_evidence import GatherEvidence
from shared.handlers.trace_lineage import TraceLineage, rows_of
from tests.fakes.clock import START
from tests.fakes.loop import FakeLoop, fair
from tests.fakes.samples import HOLDOUT_ROWS, HOLDOUT_TABLE, MODEL, holdout_rows


def candidate(loop, **tags):
    """Register a version as the run's job does; keywords replace what it says of itself."""
    version = loop.add_version(fair, "run-1")
    found = loop.ports.registry.version(MODEL, version)
    return replace(found, tags={**found.tags, **tags})


def gathered(loop, version):
    ports, (model,) = loop.ports, loop.catalogue.models
    gather = GatherEvidence(ports.registry, ports.windows, ports.scorer)
    return gather(model, version, ports.clock.now(), run_id="run-1").evidence


def test_rows_set_aside_before_the_training_are_all_judged(loop):
    evidence = gathered(loop, candidate(loop))

    assert (evidence.lineage.unproven, evidence.lineage.changed) == (0, 0)
    assert evidence.n == HOLDOUT_ROWS
    assert evidence.lineage.run_id == "run-1"


def test_rows_that_came_late_are_left_out_of_the_judgement(loop):
    version = candidate(loop)
    late = {**holdout_rows(rows=1)[0], "id": "late", "ts": START - timedelta(days=2)}
    loop.ports.windows.write(HOLDOUT_TABLE, [late])

    evidence = gathered(loop, version)

    assert (evidence.lineage.rows, evidence.lineage.unproven) == (HOLDOUT_ROWS + 1, 1)
    assert evidence.n == evidence.candidate.size == evidence.champion.size == HOLDOUT_ROWS


def test_rows_after_the_end_of_training_need_no_proof(loop):
    version = candidate(loop)
    loop.ports.clock.advance(seconds=3 * 86400)
    late = {**holdout_rows(rows=1)[0], "id": "new", "ts": START + timedelta(days=1)}
    loop.ports.windows.write(HOLDOUT_TABLE, [late])

    evidence = gathered(loop, version)

    assert (evidence.lineage.unproven, evidence.n) == (0, HOLDOUT_ROWS + 1)


def test_a_version_that_was_trained_on_the_holdout_fails_and_all_rows_are_still_shown(loop):
    rows = holdout_rows()
    loop.ports.windows.overwrite(HOLDOUT_TABLE, rows[:5])
    version = candidate(loop)
    loop.ports.windows.write(HOLDOUT_TABLE, rows[5:])

    evidence = gathered(loop, version)

    assert evidence.lineage.unproven == HOLDOUT_ROWS - 5
    assert evidence.n == HOLDOUT_ROWS
    assert judge(evidence, loop.catalogue.models[0]).verdict is Verdict.FAIL


@pytest.mark.parametrize(
    "spoil",
    [
        lambda rows: rows[1:],
        lambda rows: [{**rows[0], "delay": 0.0}, *rows[1:]],
        lambda rows: [{**rows[0], "distance": 0.5}, *rows[1:]],
    ],
    ids=["removed", "another actual", "another feature"],
)
def test_a_holdout_changed_since_the_training_is_noticed(loop, spoil):
    version = candidate(loop)
    loop.ports.windows.overwrite(HOLDOUT_TABLE, spoil(holdout_rows()))

    evidence = gathered(loop, version)

    assert evidence.lineage.changed == 1
    assert judge(evidence, loop.catalogue.models[0]).verdict is Verdict.FAIL


def test_a_version_of_the_table_that_is_not_there_is_told_and_is_no_pass(loop):
    evidence = gathered(loop, candidate(loop, holdout_version="9"))

    assert evidence.lineage.fault == f"{HOLDOUT_TABLE}: no version 9"
    assert judge(evidence, loop.catalogue.models[0]).verdict is Verdict.ERROR


def test_without_tags_nothing_is_read_again(loop):
    evidence = gathered(loop, candidate(loop, git_sha="unknown"))

    assert (evidence.lineage.unproven, evidence.lineage.fault) == (0, "")
    assert judge(evidence, loop.catalogue.models[0]).verdict is Verdict.FAIL


def test_a_lakehouse_that_does_not_answer_is_no_finding(loop):
    (model,) = loop.catalogue.models
    holdout = loop.ports.windows.holdout(model, loop.ports.clock.now())
    version = candidate(loop)
    loop.ports.windows.faults.order(Unavailable("OneLake is down"))

    with pytest.raises(Unavailable, match="OneLake is down"):
        TraceLineage(loop.ports.windows)(model, version, holdout, "run-1")


def test_what_was_served_is_no_holdout():
    loop = FakeLoop()
    (model,) = loop.catalogue.models
    window = replace(loop.ports.windows.holdout(model, loop.ports.clock.now()), ids=None)

    with pytest.raises(ValueError, match="only a holdout"):
        rows_of(window)
