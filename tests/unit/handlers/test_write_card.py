"""The model card of a promotion: what it says, once, and that nothing is undone for it."""

import hashlib
import json
from datetime import timedelta

import pytest

from shared.domain.card import JSON_FILE, SHA256_TAG, TABLE, TEXT_FILE
from shared.domain.run import State
from shared.errors import DataError, NoChampion, NotFound, Refused, Unavailable
from shared.handlers import write_card
from tests.fakes.duel import ANA, WINS, duel, live, off, run_of
from tests.fakes.fuse import BREAKS, Fuse
from tests.fakes.loop import FakeLoop
from tests.fakes.samples import MODEL, card_document


def ready(**how):
    """Give a loop whose challenger is about to be promoted; the message is on its queue."""
    loop = duel(**how)
    live(loop, WINS)
    assert run_of(loop).state is State.PROMOTING
    return loop


def promoted(**how):
    loop = ready(**how)
    loop.drain()
    return loop


def rows(loop):
    try:
        return loop.ports.tables.read(TABLE)
    except NotFound:
        return []


def card(loop, place=-1):
    return json.loads(rows(loop)[place]["model_card_json"])


def outcome(loop):
    """Give the audit's context of the last promotion."""
    chain = loop.ports.store.chain(MODEL)
    return [row for row in chain if row["action"] == "model.promoted"][-1]["context"]


def attached(loop, name, version="2"):
    return loop.ports.registry.attached[MODEL, version, name]


def break_(port, method, error, monkeypatch, times=10_000):
    """Have a port's method fail some times, and work after that."""
    real, left = getattr(port, method), [times]

    def broken(*args, **named):
        if left[0]:
            left[0] -= 1
            raise error
        return real(*args, **named)

    monkeypatch.setattr(port, method, broken)


def test_a_promotion_leaves_a_card_in_the_table_on_the_version_and_in_the_audit():
    loop = promoted()

    (row,) = rows(loop)
    intent = next(r for r in loop.ports.store.chain(MODEL) if r["action"] == "model.promote")
    assert (row["model_name"], row["model_version"]) == (MODEL, "2")
    assert (row["run_id"], row["audit_id"]) == (run_of(loop).run_id, intent["audit_id"])
    assert (row["rai_risk_tier"], row["undeclared"]) == ("low", "")
    assert attached(loop, JSON_FILE).decode() == row["model_card_json"]
    assert attached(loop, TEXT_FILE).decode().startswith(f"# Model card: {MODEL}, version 2\n")
    sha256 = hashlib.sha256(row["model_card_json"].encode()).hexdigest()
    assert row["card_sha256"] == sha256
    assert loop.ports.registry.champion(MODEL).tags[SHA256_TAG] == sha256
    assert outcome(loop)["model_card"] == {"sha256": sha256, "undeclared": []}


def test_the_card_tells_the_judgement_of_the_run_that_made_the_version():
    loop = promoted()

    said, run = card(loop), run_of(loop)
    gates = {gate["gate"]: gate for gate in said["judgement"]["gates"]}
    assert said["judgement"]["verdict"] == "PASS"
    assert said["judgement"]["report_sha256"] == run.facts["context"]["evidence_sha256"]
    assert gates["performance"]["verdict"] == "PASS"
    assert gates["performance"]["n"] == 60
    assert said["metrics"]["candidate_r2"]["value"] == pytest.approx(1.0)
    assert said["issued"]["replaces"] == "1"
    assert said["issued"]["grounds"]["consecutive_wins"] == WINS


def test_what_the_catalogue_does_not_declare_is_named_on_the_card_and_in_the_audit():
    loop = promoted(card=card_document(purpose="", contacts=[]))

    assert card(loop)["undeclared"] == ["purpose", "contacts"]
    assert rows(loop)[0]["undeclared"] == "purpose, contacts"
    assert outcome(loop)["model_card"]["undeclared"] == ["purpose", "contacts"]
    assert "Not declared in models.yaml" in attached(loop, TEXT_FILE).decode()


def test_a_rollback_writes_a_card_of_its_own_with_the_first_judgement_of_the_version():
    loop = promoted()
    loop.ask_champion.roll_back(MODEL, "worse in the field", ANA, "key-1")
    loop.drain()
    loop.ask_champion.roll_back(MODEL, "a mistake", ANA, "key-2")
    loop.drain()

    first, back, forth = rows(loop)
    assert [row["model_version"] for row in (first, back, forth)] == ["2", "1", "2"]
    assert card(loop, 1)["judgement"]["fault"] == ("no run has put this version through the gates")
    assert card(loop, 1)["issued"]["approver"] == ANA.name
    assert card(loop, 2)["issued"]["purpose"] == "rollback"
    assert card(loop, 2)["judgement"] == card(loop, 0)["judgement"]
    assert attached(loop, JSON_FILE).decode() == forth["model_card_json"]


@pytest.mark.parametrize("tampering", ["gone", "changed"])
def test_a_report_that_is_not_the_one_judged_is_not_on_the_card(tampering):
    loop = ready()
    name = run_of(loop).facts["context"]["evidence"]
    if tampering == "gone":
        del loop.ports.evidence.contents[name]
    else:
        loop.ports.evidence.contents[name] += b" "

    loop.drain()

    said = card(loop)
    assert said["judgement"]["gates"] == []
    assert name in said["judgement"]["fault"]
    assert said["judgement"]["fault"] in said["not_known"]
    assert run_of(loop).state is State.PROMOTED


def test_a_table_that_does_not_answer_is_asked_again_with_the_promotion(monkeypatch):
    loop = ready()
    break_(loop.ports.tables, "append", Unavailable("away"), monkeypatch, times=2)

    loop.drain()

    assert run_of(loop).state is State.PROMOTED
    assert len(rows(loop)) == 1
    assert "trouble" not in outcome(loop)["model_card"]


@pytest.mark.parametrize("method", ["attach", "annotate"])
def test_the_first_card_of_a_run_stands_however_often_it_is_written(method, monkeypatch):
    loop = ready()
    break_(loop.ports.registry, method, Unavailable("away"), monkeypatch, times=1)
    loop.step()
    loop.ports.registry.annotate = type(loop.ports.registry).annotate.__get__(loop.ports.registry)
    loop.ports.registry.annotate(MODEL, "2", {"training_rows": "7"})  # the card would differ

    loop.drain()

    (row,) = rows(loop)
    assert attached(loop, JSON_FILE).decode() == row["model_card_json"]
    assert loop.ports.registry.champion(MODEL).tags[SHA256_TAG] == row["card_sha256"]


@pytest.mark.parametrize(
    "error",
    [Refused("no such column", code="SchemaMismatch"), DataError("odd"), NotFound("gone")],
    ids=lambda error: type(error).__name__,
)
def test_a_card_that_is_refused_undoes_nothing_and_is_told(error, monkeypatch):
    loop = ready()
    break_(loop.ports.tables, "append", error, monkeypatch)

    loop.drain()

    assert run_of(loop).state is State.PROMOTED
    assert loop.ports.registry.champion(MODEL).version == "2"
    assert outcome(loop)["model_card"]["trouble"] == str(error)
    told = [
        notice
        for notice in loop.ports.notifier.sent
        if "without a whole model card" in notice.title
    ]
    assert len(told) == 1
    assert f"loop ready {MODEL} --write-card" in told[0].text
    assert not loop.breaches()


def test_files_that_are_refused_leave_the_row_and_the_tags(monkeypatch):
    loop = ready()
    break_(loop.ports.registry, "attach", Refused("no run", code="NoRun"), monkeypatch)

    loop.drain()

    (row,) = rows(loop)
    assert loop.ports.registry.champion(MODEL).tags[SHA256_TAG] == row["card_sha256"]
    assert outcome(loop)["model_card"]["trouble"] == "no run; no run"
    assert outcome(loop)["model_card"]["sha256"] == row["card_sha256"]


def test_a_silence_that_outlasts_the_patience_does_not_keep_the_promotion_open(monkeypatch):
    loop = ready()
    break_(loop.ports.registry, "attach", Unavailable("no answer"), monkeypatch)
    with pytest.raises(Unavailable):
        loop.promote(MODEL, run_of(loop).run_id)
    loop.ports.clock.advance(write_card.PATIENCE - timedelta(seconds=1))
    with pytest.raises(Unavailable):
        loop.promote(MODEL, run_of(loop).run_id)
    loop.ports.clock.advance(seconds=1)

    loop.promote(MODEL, run_of(loop).run_id)

    assert run_of(loop).state is State.PROMOTED
    assert outcome(loop)["model_card"]["trouble"] == "no answer"


def test_a_defect_in_the_card_does_not_keep_the_promotion_open(monkeypatch):
    loop = ready()
    monkeypatch.setattr(write_card, "card_of", lambda *_: {}["no such part"])

    loop.drain()

    assert run_of(loop).state is State.PROMOTED
    assert outcome(loop)["model_card"]["trouble"] == "a defect, KeyError: see the log"
    assert not loop.breaches()


def test_a_table_that_has_lost_its_card_is_told(monkeypatch):
    loop = ready()
    break_(loop.ports.registry, "attach", Unavailable("away"), monkeypatch, times=1)
    loop.step()
    loop.ports.tables._rows[TABLE].clear()

    loop.drain()

    assert outcome(loop)["model_card"]["trouble"] == (
        f"{TABLE} has lost the card of {run_of(loop).run_id}"
    )


def test_the_first_champion_gets_a_card_that_says_it_was_not_judged():
    loop = FakeLoop()
    loop.ports.registry._aliases[MODEL].clear()
    run = loop.ask_champion.bootstrap(MODEL, "1", "the first one", ANA, "key-1")

    loop.drain()

    said = card(loop)
    assert outcome(loop)["model_card"]["sha256"] == rows(loop)[0]["card_sha256"]
    assert (said["issued"]["purpose"], said["issued"]["replaces"]) == ("bootstrap", "")
    assert (said["issued"]["run_id"], said["issued"]["approver"]) == (run.run_id, ANA.name)
    assert said["judgement"]["fault"] == "no run has put this version through the gates"
    assert attached(loop, TEXT_FILE, "1").decode().count("the first; approved by") == 1


def test_people_who_cannot_be_told_do_not_stop_a_promotion(monkeypatch):
    loop = ready()
    break_(loop.ports.tables, "append", Refused("no", code="No"), monkeypatch)
    break_(loop.ports.notifier, "send", Refused("401", code="401"), monkeypatch, times=1)

    loop.drain()

    assert run_of(loop).state is State.PROMOTED
    assert outcome(loop)["model_card"]["trouble"] == "no"


def test_a_card_that_was_refused_is_written_later_as_it_would_have_been(monkeypatch):
    loop = ready()
    with monkeypatch.context() as broken:
        break_(loop.ports.tables, "append", Refused("no", code="No"), broken, times=1)
        loop.drain()
    assert rows(loop) == []

    loop.write_card.again(loop.catalogue.models[0])

    (row,) = rows(loop)
    assert row["run_id"] == run_of(loop).run_id
    assert loop.ports.registry.champion(MODEL).tags[SHA256_TAG] == row["card_sha256"]


def test_a_champion_that_no_run_has_made_gets_no_card():
    loop = FakeLoop()

    with pytest.raises(NotFound, match="no run has promoted version 1"):
        loop.write_card.again(loop.catalogue.models[0])
    loop.ports.registry._aliases[MODEL].clear()
    with pytest.raises(NoChampion):
        loop.write_card.again(loop.catalogue.models[0])


def test_the_intent_is_found_behind_any_number_of_later_rows(monkeypatch):
    monkeypatch.setattr(write_card, "NEAR", 0)

    loop = promoted(champion=off)

    assert len(rows(loop)) == 1


def played(fuse):
    """Carry a promotion out with a fuse in every port."""
    loop = ready()
    loop._wire({name: fuse.tap(name, port) for name, port in vars(loop.ports).items()})
    loop.drain()
    loop.settle()
    return loop


@pytest.mark.parametrize("how", BREAKS)
def test_whichever_call_of_a_promotion_breaks_there_is_one_card_and_it_is_whole(how):
    whole = Fuse()
    played(whole)

    broken = {}
    for at in range(1, len(whole.calls) + 1):
        loop = played(Fuse(at, **BREAKS[how]))
        found = rows(loop)
        kept = {
            "promoted": run_of(loop).state is State.PROMOTED,
            "one row": len(found) == 1,
            "files": attached(loop, JSON_FILE).decode() == found[0]["model_card_json"],
            "text": (MODEL, "2", TEXT_FILE) in loop.ports.registry.attached,
            "tag": loop.ports.registry.champion(MODEL).tags[SHA256_TAG] == found[0]["card_sha256"],
            "audit": outcome(loop)["model_card"].get("sha256") == found[0]["card_sha256"],
            "no trouble": "trouble" not in outcome(loop)["model_card"],
        }
        faults = [name for name, held in kept.items() if not held]
        if faults:
            broken[at, whole.calls[at - 1]] = faults
    assert not broken
    assert {"tables.append", "registry.attach", "registry.annotate"} <= set(whole.calls)
