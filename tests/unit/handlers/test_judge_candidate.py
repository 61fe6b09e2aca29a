"""A candidate is judged on evidence; only a PASS that is written down reaches the registry."""

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Barrier

import pytest

from shared.domain.gates.judge import GATES
from shared.domain.gates.rows import TABLE
from shared.domain.run import State
from shared.errors import NoTable, NotFound, Refused, Unavailable
from shared.handlers import messages
from shared.handlers.judge_candidate import ATTEMPTS
from tests.fakes.clock import START
from tests.fakes.fuse import Fuse, Killed
from tests.fakes.loop import FakeLoop, fair, poor
from tests.fakes.samples import MODEL, alert_of, catalogue_of, model_document


def judging(loop):
    """Bring a run to its gates; its job has registered nothing yet."""
    loop.job_status = ""
    run_id = loop.receive(alert_of()).run_id
    loop.watch(MODEL, run_id, 0)
    loop.ports.jobs.set_status(loop.run().job_id, "Completed")
    loop.watch(MODEL, run_id, 1)
    assert loop.run().state is State.JUDGING
    for queue in (messages.RETRAIN_RUNS, messages.GATE_CHECKS):
        loop.ports.queues.take(queue, START + timedelta(days=1))
    return run_id


@pytest.fixture
def loop(loop):
    judging(loop)
    yield loop
    assert not loop.breaches()


def judge(loop):
    loop.ports.clock.advance(seconds=30)
    loop.judge(MODEL, loop.run().run_id)
    return loop.run()


def judged(loop, answer=fair):
    loop.add_version(answer, loop.run().run_id)
    return judge(loop)


def untouched(loop):
    """Tell whether the registry's roles are as they were."""
    registry = loop.ports.registry
    return registry.challenger(MODEL) is None and registry.champion(MODEL).version == loop.champion


def lock_of(loop):
    return loop.ports.store.snapshot(MODEL, loop.run().run_id).lock


def gate_rows(loop):
    return loop.ports.tables.read(TABLE, {"run_id": loop.run().run_id})


def last_row(loop):
    return list(loop.ports.store.chain(MODEL))[-1]


def test_a_candidate_that_passes_every_gate_is_staged(loop):
    run = judged(loop)

    assert (run.state, run.version) == (State.STAGED, "2")
    challenger = loop.ports.registry.challenger(MODEL)
    assert (challenger.version, challenger.stage) == ("2", "Staging")
    assert loop.ports.registry.champion(MODEL).version == loop.champion
    assert not lock_of(loop).run_id
    assert loop.actions()[-2:] == ["model.stage/intent", "model.staged/success"]
    row = last_row(loop)
    assert (row["from_stage"], row["to_stage"], row["model_version"]) == ("None", "Staging", "2")


def test_whoever_stages_has_it_told_and_projected(loop):
    judged(loop)

    assert loop.ports.queues.visible(messages.NOTICES) == [messages.run_message(loop.run())]
    chain = messages.chain_message(MODEL, loop.run().run_id)
    assert loop.ports.queues.visible(messages.AUDIT_ROWS) == [chain]


def test_what_came_of_the_reference_profile_is_in_the_ledger(loop):
    made = {"made": True, "rows": 7}
    loop.judge = replace(loop.judge, make_reference=lambda model, version: made)

    judged(loop)

    assert last_row(loop)["action"] == "model.staged"
    assert last_row(loop)["context"]["reference_profile"] == made


def test_the_evidence_is_kept_whole_and_its_hash_is_in_the_ledger(loop):
    judged(loop)

    context = last_row(loop)["context"]
    content = loop.ports.evidence.get(context["evidence"])
    report = json.loads(content)
    assert context["evidence_sha256"] == hashlib.sha256(content).hexdigest()
    assert (report["verdict"], report["model_version"], report["champion_version"]) == (
        "PASS",
        "2",
        loop.champion,
    )
    assert set(context["gates"]) == {row["gate"] for row in gate_rows(loop)}
    assert context["candidate_r2"] == pytest.approx(1)
    assert context["champion_r2"] == pytest.approx(1)


def test_every_gate_s_result_is_a_row_and_a_tag(loop):
    judged(loop)

    gates = {gate["gate"] for gate in gate_rows(loop)}
    tags = loop.ports.registry.version(MODEL, "2").tags
    assert gates == set(GATES)
    assert {f"gate.{gate}" for gate in gates} <= set(tags)


def test_a_candidate_that_fails_a_gate_is_rejected_and_the_registry_left_alone(loop):
    run = judged(loop, poor)

    assert run.state is State.REJECTED
    assert run.reason.startswith("performance FAIL: ")
    assert untouched(loop)
    assert not lock_of(loop).run_id
    assert loop.actions()[-1] == "run.rejected/denied"
    assert last_row(loop)["context"]["blocked"] is True
    assert last_row(loop)["context"]["evidence"] in loop.ports.evidence.contents
    assert loop.ports.queues.visible(messages.NOTICES)


def test_a_candidate_that_cannot_be_loaded_is_an_error_and_no_pass(loop):
    run = judged(loop, None)

    assert run.state is State.GATE_ERROR
    assert "could not be loaded" in run.reason
    assert untouched(loop)
    assert not lock_of(loop).run_id
    passed = {row["gate"] for row in gate_rows(loop) if row["verdict"] == "PASS"}
    assert passed == {"origin", "lineage"}


def test_a_candidate_that_crashes_on_the_rows_is_an_error(loop):
    run = judged(loop, lambda rows: [1 / 0])

    assert run.state is State.GATE_ERROR
    assert "ZeroDivisionError" in run.reason
    assert untouched(loop)


def test_without_a_champion_nothing_is_promoted(loop):
    loop.ports.registry._aliases.clear()

    run = judged(loop)

    assert run.state is State.GATE_ERROR
    assert "no champion" in run.reason
    assert loop.ports.registry.challenger(MODEL) is None


def test_without_a_champion_a_candidate_under_the_floor_is_told_so(loop):
    loop.ports.registry._aliases.clear()

    run = judged(loop, poor)

    failed = {row["gate"]: row["reason"] for row in gate_rows(loop) if row["verdict"] == "FAIL"}
    assert run.state is State.GATE_ERROR
    assert "must be at or above 0.5" in failed["performance"]


def test_a_champion_that_cannot_be_loaded_is_no_champion_to_compare_with(loop):
    loop.ports.registry.set_champion(MODEL, loop.add_version(None))

    run = judged(loop)

    assert run.state is State.GATE_ERROR
    assert "could not be loaded" in run.reason


@pytest.mark.parametrize(("versions", "found"), [(0, "none"), (2, "2, 3")])
def test_a_job_must_have_made_exactly_one_version_with_the_run_s_id(loop, versions, found):
    loop.add_version(fair, "run-of-another") if versions == 0 else None
    for _ in range(versions):
        loop.add_version(fair, loop.run().run_id)

    run = judge(loop)

    assert run.state is State.GATE_ERROR
    assert run.reason.endswith(f"it made: {found}")
    assert untouched(loop)


def test_the_version_that_is_judged_is_the_run_s_and_not_the_latest(loop):
    loop.add_version(fair, loop.run().run_id)
    loop.add_version(poor, "run-of-another")

    assert judge(loop).version == "2"


def test_without_a_holdout_there_is_nothing_to_judge_on(loop):
    loop.ports.windows.faults.order(NoTable("lh_gold.flights_holdout: no such table"))

    run = judged(loop)

    assert run.state is State.GATE_ERROR
    assert run.reason.startswith("there is nothing to judge on: lh_gold.flights_holdout")
    assert untouched(loop)


def test_a_holdout_that_is_too_small_is_an_error():
    loop = FakeLoop(catalogue_of(model_document(gates={"performance": {"floor": 0.5}})))
    judging(loop)

    run = judged(loop)

    assert run.state is State.GATE_ERROR
    assert "the holdout has 60 rows, needed are 1000" in run.reason


def test_a_registry_that_is_down_is_not_an_answer(loop):
    loop.add_version(fair, loop.run().run_id)
    loop.ports.registry.faults.order(Unavailable("registry is down"))

    with pytest.raises(Unavailable):
        judge(loop)
    assert loop.run().state is State.JUDGING

    assert judge(loop).state is State.STAGED


@pytest.mark.parametrize("part", ["registry", "windows", "scorer", "tables", "evidence"])
def test_what_stays_down_ends_the_run_without_a_verdict(loop, part):
    loop.add_version(fair, loop.run().run_id)
    getattr(loop.ports, part).faults.order(Unavailable(f"{part} is down"), times=ATTEMPTS)

    for _ in range(ATTEMPTS):
        with pytest.raises(Unavailable):
            judge(loop)
        assert loop.run().state is State.JUDGING
    run = judge(loop)

    assert run.state is State.GATE_ERROR
    assert run.reason == f"judged 5 times without a verdict; last: {part} is down"
    assert untouched(loop)


@pytest.mark.parametrize("part", ["registry", "windows", "tables", "evidence"])
def test_what_is_refused_ends_the_run_at_once_with_the_reason(loop, part):
    loop.add_version(fair, loop.run().run_id)
    getattr(loop.ports, part).faults.order(Refused(f"{part}: no access", code="Forbidden"))

    run = judge(loop)

    assert (run.state, run.polls) == (State.GATE_ERROR, 1)
    assert f"{part}: no access" in run.reason
    assert untouched(loop)


def test_a_candidate_that_takes_the_worker_with_it_is_tried_as_often_and_no_more():
    fuse = Fuse(error=Killed)
    loop = FakeLoop(tap=fuse.tap)
    judging(loop)
    loop.add_version(lambda _: (_ for _ in ()).throw(Killed("out of memory")), loop.run().run_id)

    for _ in range(ATTEMPTS):
        with pytest.raises(Killed):
            judge(loop)
    run = judge(loop)

    assert run.state is State.GATE_ERROR
    assert fuse.calls.count("scorer.score") == ATTEMPTS


@pytest.mark.parametrize("done", [False, True], ids=["not staged yet", "staged already"])
def test_a_verdict_is_written_before_staging_and_finished_without_judging_again(loop, done):
    loop.add_version(fair, loop.run().run_id)
    stage = loop.ports.registry.stage_candidate

    def die(model, version):
        if done:
            stage(model, version)
        raise Killed

    loop.ports.registry.stage_candidate = die
    with pytest.raises(Killed):
        judge(loop)
    assert (loop.run().state, loop.run().facts["verdict"]) == (State.JUDGING, "PASS")
    assert loop.actions()[-1] == "model.stage/intent"
    loop.ports.registry.stage_candidate = stage
    loop.ports.scorer.faults.order(AssertionError("judged again"))

    run = judge(loop)

    assert run.state is State.STAGED
    assert loop.ports.registry.challenger(MODEL).version == "2"
    assert loop.actions()[-2:] == ["model.stage/intent", "model.staged/success"]
    assert len(gate_rows(loop)) == len(GATES)


@pytest.mark.parametrize(
    "error", [Refused("version 2 is the champion", code="IsChampion"), NotFound("no version 2")]
)
def test_a_version_that_cannot_be_staged_any_more_ends_the_run(loop, error):
    loop.add_version(fair, loop.run().run_id)

    def refuse(model, version):
        raise error

    loop.ports.registry.stage_candidate = refuse

    run = judge(loop)

    assert run.state is State.GATE_ERROR
    assert str(error) in run.reason
    assert untouched(loop)
    assert not lock_of(loop).run_id


def test_a_run_that_has_lost_its_lock_judges_nothing(loop):
    loop.add_version(fair, loop.run().run_id)
    loop.lose_lock()

    run = judge(loop)

    assert run.state is State.CANCELLED
    assert untouched(loop)
    assert lock_of(loop).run_id == "run-other"


def test_a_run_that_loses_its_lock_while_it_judges_stages_nothing(loop):
    def slow(rows):
        loop.lose_lock()
        return fair(rows)

    run = judged(loop, slow)

    assert run.state is State.CANCELLED
    assert untouched(loop)


def test_a_passed_run_that_lost_its_lock_before_staging_stages_nothing(loop):
    loop.add_version(fair, loop.run().run_id)
    stage = loop.ports.registry.stage_candidate

    def die(model, version):
        raise Killed

    loop.ports.registry.stage_candidate = die
    with pytest.raises(Killed):
        judge(loop)
    loop.ports.registry.stage_candidate = stage
    loop.lose_lock()

    run = judge(loop)

    assert run.state is State.CANCELLED
    assert untouched(loop)


def test_workers_on_the_same_message_stage_once(loop):
    run_id = loop.run().run_id
    loop.add_version(fair, run_id)
    together = Barrier(4)

    def work(_):
        together.wait()
        loop.judge(MODEL, run_id)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    loop.settle()

    assert loop.run().state is State.STAGED
    assert loop.actions().count("model.staged/success") == 1


def test_a_run_that_is_not_at_its_gates_is_left_alone(loop):
    done = judged(loop)
    actions = loop.actions()

    assert judge(loop) == done
    assert loop.actions() == actions


@pytest.mark.parametrize(("model", "run_id"), [("unknown", "run-1"), (MODEL, "run-1")])
def test_a_message_about_nothing_is_not_found(loop, model, run_id):
    with pytest.raises(NotFound):
        loop.judge(model, run_id)
