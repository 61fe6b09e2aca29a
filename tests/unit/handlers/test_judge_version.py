"""Any version can be held against its gates, and nothing is changed by looking."""

import copy

import pytest

from shared.domain.gates.judge import GATES
from shared.errors import DataError, NotFound, Unavailable
from shared.handlers.gather_evidence import GatherEvidence
from shared.handlers.judge_version import JudgeVersion
from tests.fakes.loop import fair, poor
from tests.fakes.samples import HOLDOUT_ROWS, MODEL


@pytest.fixture
def judge(loop):
    ports = loop.ports
    gather = GatherEvidence(ports.registry, ports.windows, ports.scorer)
    return JudgeVersion(loop.catalogue, ports.registry, gather, ports.clock, lambda: 0.0)


def challenger(loop, answer=fair):
    version = loop.add_version(answer, "run-1")
    loop.ports.registry.stage_candidate(MODEL, version)
    return version


def test_without_a_version_the_challenger_is_judged_beside_the_champion(loop, judge):
    version = challenger(loop)

    judgement = judge(MODEL)

    assert judgement.verdict == "PASS"
    assert (judgement.judged.model_version, judgement.judged.champion_version) == (
        version,
        loop.champion,
    )
    assert [result.gate for result in judgement.results] == list(GATES)
    assert judgement.evidence.n == HOLDOUT_ROWS


def test_any_version_can_be_named(loop, judge):
    challenger(loop)
    other = loop.add_version(poor, "run-2")

    judgement = judge(MODEL, other)

    assert (judgement.judged.model_version, judgement.verdict) == (other, "FAIL")


def test_a_version_that_cannot_answer_is_an_error(loop, judge):
    assert judge(MODEL, loop.add_version(None, "run-1")).verdict == "ERROR"


def test_judging_changes_nothing_anywhere(loop, judge):
    challenger(loop)
    before = everything(loop)

    judge(MODEL)

    assert everything(loop) == before


def everything(loop):
    """Give all that the fakes have stored."""
    ports = loop.ports
    stores = (ports.registry, ports.tables, ports.store, ports.evidence, ports.queues)
    return [
        copy.deepcopy({k: v for k, v in vars(each).items() if isinstance(v, dict | list)})
        for each in stores
    ]


@pytest.mark.parametrize(
    ("model", "version", "said"),
    [
        ("unknown", "", "not in the catalogue"),
        (MODEL, "", "no version is the challenger"),
        (MODEL, "99", "no version 99"),
    ],
)
def test_what_is_not_there_is_named(judge, model, version, said):
    with pytest.raises(NotFound, match=said):
        judge(model, version)


@pytest.mark.parametrize("error", [Unavailable("it is down"), DataError("no column delay")])
def test_what_cannot_be_read_is_no_judgement(loop, judge, error):
    challenger(loop)
    loop.ports.windows.faults.order(error)

    with pytest.raises(type(error), match=str(error)):
        judge(MODEL)
