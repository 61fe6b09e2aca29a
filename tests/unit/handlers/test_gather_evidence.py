"""What the gates look at: the holdout, and what both versions answer for the same rows."""

import numpy as np
import pytest

from shared.errors import DataError, NoTable, Unavailable
from shared.handlers.gather_evidence import GatherEvidence
from tests.fakes.loop import FakeLoop, fair, poor
from tests.fakes.samples import (
    HOLDOUT_ROWS,
    HOLDOUT_TABLE,
    MODEL,
    catalogue_of,
    holdout_rows,
    model_document,
)

EXPECTED = np.arange(HOLDOUT_ROWS) + 10.0


def gather(loop, answer=fair):
    """Gather the evidence on a candidate that answers so."""
    ports, (model,) = loop.ports, loop.catalogue.models
    candidate = ports.registry.version(MODEL, loop.add_version(answer))
    handler = GatherEvidence(ports.registry, ports.windows, ports.scorer)
    return handler(model, candidate, ports.clock.now())


def test_both_versions_answer_for_the_rows_of_the_holdout(loop):
    gathered = gather(loop, poor)

    evidence = gathered.evidence
    assert (evidence.task, evidence.n) == ("regression", HOLDOUT_ROWS)
    assert gathered.champion.version == loop.champion
    assert sorted(evidence.actual) == list(EXPECTED)
    np.testing.assert_allclose(evidence.champion, evidence.actual)
    np.testing.assert_allclose(evidence.candidate, EXPECTED.mean())
    assert (evidence.candidate_fault, evidence.no_champion_reason) == ("", "")


def test_the_candidate_is_timed_as_often_as_the_gate_asks(loop):
    assert gather(loop).evidence.latencies_ms.size == 100


def test_a_model_that_is_not_served_is_not_timed():
    gates = {"performance": {"floor": 0.5}, "latency": {"enabled": False}, "min_rows": 50}
    loop = FakeLoop(catalogue_of(model_document(gates=gates)))

    assert gather(loop).evidence.latencies_ms.size == 0


def test_a_candidate_that_cannot_be_scored_is_evidence(loop):
    evidence = gather(loop, None).evidence

    assert "could not be loaded" in evidence.candidate_fault
    assert evidence.candidate.size == 0
    assert evidence.champion is not None


def test_without_a_champion_the_reason_is_the_registry_s(loop):
    loop.ports.registry._aliases.clear()

    gathered = gather(loop)

    assert (gathered.champion, gathered.evidence.champion) == (None, None)
    assert gathered.evidence.no_champion_reason == f"{MODEL}: no version is the champion"


def test_a_champion_that_cannot_be_scored_is_named_with_the_reason(loop):
    loop.ports.registry.set_champion(MODEL, loop.add_version(None))

    gathered = gather(loop)

    assert gathered.champion.version == "2"
    assert gathered.evidence.champion is None
    assert "version 2 could not be loaded" in gathered.evidence.no_champion_reason


@pytest.mark.parametrize("part", ["registry", "windows", "scorer"])
def test_what_does_not_answer_is_no_evidence(loop, part):
    candidate = loop.ports.registry.version(MODEL, loop.add_version(fair))
    getattr(loop.ports, part).faults.order(Unavailable(f"{part} is down"))
    ports = loop.ports
    handler = GatherEvidence(ports.registry, ports.windows, ports.scorer)

    with pytest.raises(Unavailable, match=f"{part} is down"):
        handler(loop.catalogue.models[0], candidate, ports.clock.now())


@pytest.mark.parametrize("error", [NoTable("no such table"), DataError("no column delay")])
def test_without_a_holdout_there_is_nothing_to_judge_on(loop, error):
    loop.ports.windows.faults.order(error)

    with pytest.raises(type(error), match=str(error)):
        gather(loop)


def test_the_groups_of_the_declared_attributes_come_with_the_rows():
    gates = {"performance": {"floor": 0.5}, "fairness": {"attributes": ["hub"]}, "min_rows": 50}
    loop = FakeLoop(catalogue_of(model_document(gates=gates)))
    rows = [{**row, "hub": "JFK"} for row in holdout_rows()]
    loop.ports.windows.overwrite(HOLDOUT_TABLE, rows)

    evidence = gather(loop).evidence

    assert list(evidence.attributes) == ["hub"]
    assert set(evidence.attributes["hub"]) == {"JFK"}


def test_the_versions_are_shown_the_features_and_nothing_else():
    gates = {"performance": {"floor": 0.5}, "fairness": {"attributes": ["hub"]}, "min_rows": 50}
    loop = FakeLoop(catalogue_of(model_document(gates=gates)))
    rows = [{**row, "hub": "JFK"} for row in holdout_rows()]
    loop.ports.windows.overwrite(HOLDOUT_TABLE, rows)
    seen = []

    gather(loop, lambda rows: seen.append(rows.column_names) or fair(rows))

    assert set(map(tuple, seen)) == {("distance",)}
