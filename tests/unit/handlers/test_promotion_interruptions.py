"""Whatever call of a promotion breaks, and however: it is finished or undone, never half.

Every scene is played once undisturbed to count the calls to the outside, and then again for each
of these calls, with that one broken, and for some two of them.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from random import Random

import pytest

from shared.domain.actor import Actor
from shared.domain.run import Purpose, State
from shared.errors import Refused, Unavailable
from shared.handlers.project_audit import AUDIT_TABLE
from shared.handlers.promotion_start import new_promotion, send_to_promotion
from tests.fakes.fuse import BREAKS, Fuse, Killed, Switch
from tests.fakes.loop import FakeLoop, resting
from tests.fakes.samples import MODEL
from tests.fakes.weeks import challenged, live, run_of

ANA = Actor("ana@example.com", "user")
PAIRS = int(os.environ.get("RETRAIN_LOOP_PAIRS", "120"))
"""Pairs of calls that are broken a scene, of about a thousand; the same ones each time."""
QUICK = {"wins": 1}
LIGHT = {
    "performance": {"floor": 0.5},
    "robustness": {"probes": []},
    "latency": {"enabled": False},
    "min_rows": 50,
}
"""Gates that cost nothing: they are not what breaks here, and each scene is played many times."""


def wins(loop: FakeLoop) -> None:
    """Have version 2 beat version 1."""
    live(loop, 1)


def won(loop: FakeLoop) -> None:
    wins(loop)
    loop.drain()


def nobody_serves(loop: FakeLoop) -> None:
    del loop.ports.registry._aliases[MODEL]["champion"]


def refuses(loop: FakeLoop) -> None:
    """Have the registry move the champion to version 2, and then say that it must not be."""
    act = loop.ports.registry.promote

    def half(model: str, version: str) -> None:
        act(model, version)
        if version == "2":
            raise Refused("no room for a champion", code="NO")

    loop.ports.registry.promote = half
    wins(loop)


def breaks_down(loop: FakeLoop) -> None:
    won(loop)
    loop.ports.scorer.answers(MODEL, "1", lambda rows: [1.0])


def asks(purpose: Purpose, version: str) -> Callable[[FakeLoop], None]:
    def ask(loop: FakeLoop) -> None:
        model = loop.catalogue.models[0]
        new_promotion(
            loop.steps, model, version=version, purpose=purpose, key="k", reason="why", actor=ANA
        )

    return ask


def decides(loop: FakeLoop) -> None:
    """Send the run that waits for approval to its promotion."""
    run = run_of(loop, "2")
    if run.state is State.AWAITING_APPROVAL:
        send_to_promotion(loop.steps, run, reason="approved", actor=ANA)


@dataclass(frozen=True)
class Scene:
    """One way a promotion may go.

    Attributes:
        ends: where the run that promotes comes to rest.
        champion: the version that serves then.
        intents: how often the ledger says that a champion is about to change.
        act: what is repeated until it has its answer.
        asked: an operator's run promotes, not the retrain.
        challenges: version 2 keeps the challenger's role, for the promotion is not about it.
    """

    prepare: Callable[[FakeLoop], None]
    ends: State
    champion: str
    intents: int
    act: Callable[[FakeLoop], None] = lambda _: None
    asked: bool = False
    approval: str = "automatic"
    challenges: bool = False


SCENES = {
    "promotion": Scene(wins, State.PROMOTED, "2", 1),
    "approved": Scene(wins, State.PROMOTED, "2", 1, decides, approval="required"),
    "refused": Scene(refuses, State.REJECTED, "1", 1),
    "rollback": Scene(won, State.PROMOTED, "1", 2, asks(Purpose.ROLLBACK, "1"), asked=True),
    "rollback that fails": Scene(
        breaks_down, State.REJECTED, "2", 1, asks(Purpose.ROLLBACK, "1"), asked=True
    ),
    "bootstrap": Scene(
        nobody_serves,
        State.PROMOTED,
        "1",
        1,
        asks(Purpose.BOOTSTRAP, "1"),
        asked=True,
        challenges=True,
    ),
}
REFUSED = SCENES["refused"]
"""The scene whose intent has no success: it is undone."""
BACK = SCENES["rollback"]
"""The scene in which a version stops serving."""


def play(scene: Scene, fuse: Fuse, *, redelivers: bool = True) -> FakeLoop:
    switch = Switch(fuse)
    loop = challenged(
        challenge=QUICK, approval={"mode": scene.approval}, gates=LIGHT, tap=switch.tap
    )
    scene.prepare(loop)
    loop.redelivers = redelivers
    switch.on = True
    for _ in range(3):
        try:
            scene.act(loop)
        except (Killed, Unavailable):
            continue  # whoever asks, asks again
        break
    loop.drain()
    loop.settle()
    return loop


def faults_of(loop: FakeLoop, scene: Scene) -> list[str]:
    """Give every promise that was broken."""
    (run,) = [run for run in loop.runs() if run.retrains is not scene.asked]
    actions = loop.actions()
    done, intents = (
        actions.count(action) for action in ("model.promoted/success", "model.promote/intent")
    )
    promises = {
        f"ends in {run.state}": run.state is scene.ends,
        "is not at rest": all(resting(each) for each in loop.runs()),
        "has the wrong champion": loop.ports.registry.champion(MODEL).version == scene.champion,
        f"says {done} times that it is done": done == scene.intents - (scene is REFUSED),
        f"has {intents} intents": intents == scene.intents,
        "has the wrong one before": scene is not REFUSED
        or loop.ports.registry.previous(MODEL) is None,
        "left a challenger": loop.ports.registry.challenger(MODEL) is None or scene.challenges,
        f"has a broken chain: {loop.breaches()}": not loop.breaches(),
        "has a gap or a double in the projection": projected(loop) == written(loop),
        "told nobody": bool(loop.ports.notifier.sent),
        "left the displaced run as it was": displaced(loop) == [True] * (scene is BACK),
        "kept the model": loop.ports.store.snapshot(MODEL, run.run_id).lock.run_id == "",
        f"gave up on {loop.poison}": not loop.poison,
    }
    return [promise for promise, kept in promises.items() if not kept]


def displaced(loop: FakeLoop) -> list[bool]:
    """Give, for each run that another has rolled back, whether its version had served."""
    return [run.version == "2" for run in loop.runs() if run.state is State.ROLLED_BACK]


def written(loop: FakeLoop) -> list[int]:
    return [row["sequence"] for row in loop.ports.store.chain(MODEL)]


def projected(loop: FakeLoop) -> list[int]:
    return [row["sequence"] for row in loop.ports.tables.read(AUDIT_TABLE, {"chain": MODEL})]


# a message whose function has raised comes again always; a killed worker's may be lost
WAYS = [(how, True) for how in BREAKS] + [(how, False) for how in BREAKS if "killed" in how]


@pytest.mark.parametrize(("how", "redelivers"), WAYS)
@pytest.mark.parametrize("name", SCENES)
def test_whichever_call_breaks_the_promotion_is_finished_or_undone(name, how, redelivers):
    scene, counted = SCENES[name], Fuse()
    assert not faults_of(play(scene, counted, redelivers=redelivers), scene)

    broken = {}
    for number, call in enumerate(counted.calls, start=1):
        loop = play(scene, Fuse(number, **BREAKS[how]), redelivers=redelivers)
        if faults := faults_of(loop, scene):
            broken[f"{number} {call}"] = faults

    assert not broken


@pytest.mark.parametrize("name", ["promotion", "refused", "rollback", "bootstrap"])
def test_a_worker_killed_twice_anywhere_leaves_no_more_behind(name):
    scene, counted = SCENES[name], Fuse()
    play(scene, counted)

    pairs = list(combinations(range(1, len(counted.calls) + 1), 2))
    broken = {}
    for pair in Random(name).sample(pairs, min(PAIRS, len(pairs))):
        if faults := faults_of(play(scene, Fuse(*pair)), scene):
            broken[pair] = faults

    assert not broken


def test_every_scene_goes_through_the_ports_it_is_meant_to_break():
    for scene in SCENES.values():
        fuse = Fuse()

        play(scene, fuse)

        assert {"store.commit", "queues.send", "registry.champion"} <= set(fuse.calls)
        assert ("registry.promote" in fuse.calls) is (scene.ends is State.PROMOTED) or (
            scene is REFUSED
        )
