"""What a judgement leaves with its version, and that none of it can change the judgement."""

import hashlib
import json
import logging

import pytest

from shared.domain.gates.fairness_rows import TABLE as FAIRNESS
from shared.domain.run import State
from shared.errors import NoTable, Refused, Unavailable
from shared.handlers.attach_report import DOCUMENT, PAGE
from tests.fakes.loop import FakeLoop, fair, poor
from tests.fakes.samples import HOLDOUT_TABLE, MODEL, alert_of, catalogue_of, model_document


@pytest.fixture
def loop(loop):
    yield loop
    assert not loop.breaches()


def judged(loop, answer=fair):
    """Have a job make a version that answers so, and judge it; gives the run."""
    loop.candidate = answer
    loop.receive(alert_of())
    loop.watch(MODEL, loop.run().run_id, 0)
    loop.work()
    loop.watch(MODEL, loop.run().run_id, 1)
    loop.judge(MODEL, loop.run().run_id)
    return loop.run()


def context(loop):
    return list(loop.ports.store.chain(MODEL))[-1]["context"]


def attached(loop, name):
    return loop.ports.registry.attached.get((MODEL, "2", name))


def refuse(loop, error):
    """Let every file be refused."""

    def attach(*_):
        raise error

    loop.ports.registry.attach = attach


@pytest.mark.parametrize(
    ("answer", "state"), [(fair, State.STAGED), (poor, State.REJECTED)], ids=["passes", "fails"]
)
def test_the_version_carries_its_report_whatever_the_verdict(loop, answer, state):
    assert judged(loop, answer).state is state

    kept = loop.ports.evidence.get(context(loop)["evidence"])
    assert attached(loop, DOCUMENT) == kept
    assert attached(loop, PAGE).decode() == f"{MODEL} 2 {json.loads(kept)['verdict']}"


def test_the_hash_of_each_file_is_in_the_ledger(loop):
    judged(loop)

    report = context(loop)["report"]
    assert report[DOCUMENT]["sha256"] == context(loop)["evidence_sha256"]
    assert report[PAGE]["sha256"] == hashlib.sha256(attached(loop, PAGE)).hexdigest()


@pytest.mark.parametrize(
    ("answer", "state"), [(fair, State.STAGED), (poor, State.REJECTED)], ids=["passes", "fails"]
)
def test_a_page_that_cannot_be_made_changes_no_verdict_and_is_on_record(
    loop, caplog, answer, state
):
    loop.ports.gate_page.fault = ZeroDivisionError("sig=secret")

    with caplog.at_level(logging.ERROR):
        run = judged(loop, answer)

    assert run.state is state
    assert context(loop)["report"][PAGE] == {"fault": "ZeroDivisionError"}
    assert attached(loop, DOCUMENT) is not None
    assert attached(loop, PAGE) is None
    assert "gates.html of run" in caplog.text


@pytest.mark.parametrize(
    "error",
    [
        Refused("version 2 belongs to no run", code="NoRun"),
        Unavailable("the artifact store is down"),
        RuntimeError("a library's own"),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize(
    ("answer", "state"), [(fair, State.STAGED), (poor, State.REJECTED)], ids=["passes", "fails"]
)
def test_files_that_nobody_takes_change_no_verdict_and_are_on_record(loop, error, answer, state):
    refuse(loop, error)

    run = judged(loop, answer)

    assert run.state is state
    faults = {found["fault"] for found in context(loop)["report"].values()}
    assert len(faults) == 1
    assert faults.pop().startswith(type(error).__name__)
    assert loop.ports.registry.attached == {}


def fair_model(**gate):
    gates = {
        "performance": {"floor": 0.5},
        "latency": {"calls": 100},
        "min_rows": 50,
        "fairness": {"attributes": ["hub"], "min_group": 10, "positive_above": 40.0, **gate},
    }
    return FakeLoop(catalogue_of(model_document(gates=gates)))


@pytest.fixture
def grouped():
    """A loop whose holdout names a group that every fourth row is of."""
    loop = fair_model()
    rows = loop.ports.windows._tables[HOLDOUT_TABLE]
    for place, row in enumerate(rows):
        row["hub"] = "EWR" if place % 4 == 0 else "JFK"
    return loop


def test_each_attribute_s_measures_are_in_the_fairness_table_once(grouped):
    judged(grouped)

    rows = grouped.ports.tables.read(FAIRNESS, {"model_name": MODEL})
    assert [(row["attribute"], row["metric_name"], row["pass_fail"]) for row in rows] == [
        ("hub", "demographic parity ratio", "PASS"),
        ("hub", "equal opportunity difference", "PASS"),
        ("hub", "equalized odds difference", "PASS"),
    ]
    assert {row["audit_id"] for row in rows} == {context(grouped)["evidence"]}


def test_a_model_without_attributes_leaves_the_fairness_table_alone(loop):
    judged(loop)

    with pytest.raises(NoTable):
        loop.ports.tables.read(FAIRNESS)
