"""Roles, whatever is asked for in whichever order, and wherever a call breaks off."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.adapters.registry.registry_base import RoleRegistry
from shared.adapters.registry.registry_roles import (
    ARCHIVED,
    Capabilities,
    DropAlias,
    Move,
    SetAlias,
    SetTag,
    Write,
)
from shared.errors import NoChampion, NotFound, Refused, Unavailable
from shared.ports import ModelVersion, Registry
from tests.fakes.registry import FakeRegistry

MODEL = "m"
VERSIONS = ["1", "2", "3", "4"]
WAYS = {
    "aliases and stages": Capabilities(aliases=True, stages=True, tags=True),
    "aliases": Capabilities(aliases=True, stages=False, tags=True),
    "stages": Capabilities(aliases=False, stages=True, tags=True),
    "tags": Capabilities(aliases=False, stages=False, tags=True),
    "stages without tags": Capabilities(aliases=False, stages=True, tags=False),
}


class Server:
    """A registry server in memory that knows what ``has`` says; its connection breaks once
    ``left`` writes are made.
    """

    def __init__(self, has: Capabilities) -> None:
        self.has = has
        self.left = -1
        self.held = {
            number: ModelVersion(MODEL, number, "", "None", frozenset(), {}, "")
            for number in VERSIONS
        }
        self.named: dict[str, str] = {}
        self.writes = 0
        self.champions: list[str] = []

    def capabilities(self) -> Capabilities:
        return self.has

    def aliases(self, model: str) -> Mapping[str, str] | None:
        return dict(self.named) if model == MODEL else None

    def version(self, model: str, version: str) -> ModelVersion:
        if version not in self.held:
            raise NotFound(version)
        return self.held[version]

    def versions(self, model: str, run_id: str = "") -> Iterator[ModelVersion]:
        yield from self.held.values()

    def write(self, model: str, write: Write) -> None:
        match write:
            case SetAlias(alias, version):
                assert self.has.aliases
                self.named[alias] = version
            case DropAlias(alias):
                assert self.has.aliases
                del self.named[alias]
            case Move(version, stage):
                assert self.has.stages
                self._move(version, stage)
            case SetTag(version, name, value):
                assert self.has.tags
                found = self.held[version]
                self.held[version] = replace(found, tags={**found.tags, name: value})
        self.champions.append(champion(RoleRegistry(self)))
        self.left -= 1
        if not self.left:
            raise Unavailable("the connection is lost")

    def _move(self, version: str, stage: str) -> None:
        for number, found in self.held.items():
            if found.stage == stage and stage != ARCHIVED:
                self.held[number] = replace(found, stage=ARCHIVED)
        self.held[version] = replace(self.held[version], stage=stage)

    def attach(self, version: ModelVersion, name: str, content: bytes) -> None:
        raise NotImplementedError


def champion(registry: Registry) -> str:
    try:
        return registry.champion(MODEL).version
    except NoChampion:
        return ""


def number(found: ModelVersion | None) -> str:
    return found.version if found else ""


def seen(registry: Registry) -> tuple[str, str, str]:
    """Give the champion, the one before, the challenger."""
    before, challenger = registry.previous(MODEL), registry.challenger(MODEL)
    return champion(registry), number(before), number(challenger)


def act(registry: Registry, name: str, version: str) -> None:
    """Act; what is refused changes nothing."""
    try:
        if name == "promote and undo":
            serving, before, _ = seen(registry)
            registry.promote(MODEL, version)
            registry.undo_promotion(MODEL, version, champion=serving, previous=before)
        else:
            getattr(registry, name)(MODEL, version)
    except Refused as error:
        assert error.code == "IsChampion"  # noqa: PT017 - another refusal is a fault


ACTS = st.tuples(
    st.sampled_from(["promote", "stage_candidate", "retire", "promote and undo"]),
    st.sampled_from(VERSIONS),
)


@given(way=st.sampled_from(["aliases and stages", "aliases"]), acts=st.lists(ACTS, max_size=12))
def test_the_fake_and_the_rules_come_to_the_same(way, acts):
    fake, registry = FakeRegistry(), RoleRegistry(Server(WAYS[way]))
    for _ in VERSIONS:
        fake.register(MODEL)

    for name, version in acts:
        act(fake, name, version)
        act(registry, name, version)

    assert seen(registry) == seen(fake)


@given(way=st.sampled_from(sorted(WAYS)), acts=st.lists(ACTS, max_size=12))
def test_once_there_is_a_champion_a_reader_finds_one_after_every_single_call(way, acts):
    registry = RoleRegistry(server := Server(WAYS[way]))
    registry.promote(MODEL, "1")
    server.champions.clear()

    for name, version in acts:
        act(registry, name, version)

    assert all(server.champions)


@given(
    way=st.sampled_from(sorted(WAYS)),
    acts=st.lists(ACTS, max_size=6),
    last=ACTS.filter(lambda given: given[0] != "promote and undo"),
    at=st.integers(1, 6),
)
def test_what_broke_off_anywhere_and_is_repeated_ends_as_if_it_had_not(way, acts, last, at):
    whole, torn = Server(WAYS[way]), Server(WAYS[way])
    for server in (whole, torn):
        for name, version in acts:
            act(RoleRegistry(server), name, version)
    act(RoleRegistry(whole), *last)

    torn.left = at
    try:
        act(RoleRegistry(torn), *last)
    except Unavailable:
        act(RoleRegistry(torn), *last)

    assert seen(RoleRegistry(torn)) == seen(RoleRegistry(whole))


@settings(max_examples=400)
@given(
    way=st.sampled_from(sorted(set(WAYS) - {"stages without tags"})),
    acts=st.lists(ACTS, max_size=6),
    version=st.sampled_from(VERSIONS),
    at=st.integers(0, 6),
    again=st.integers(0, 6),
)
def test_a_promotion_that_broke_off_is_undone_even_if_the_undoing_breaks_off(
    way, acts, version, at, again
):
    registry = RoleRegistry(server := Server(WAYS[way]))
    for name, given_version in acts:
        act(registry, name, given_version)
    serving, before, _ = seen(registry)

    for left, step in ((at, "promote"), (again, "undo"), (0, "undo")):
        server.left = left or -1
        try:
            if step == "promote":
                registry.promote(MODEL, version)
            else:
                registry.undo_promotion(MODEL, version, champion=serving, previous=before)
        except Unavailable:
            continue

    assert seen(registry)[:2] == (serving, before)


@given(
    way=st.sampled_from(sorted(WAYS)),
    torn=ACTS.filter(lambda given: given[0] != "promote and undo"),
    at=st.integers(1, 4),
    acts=st.lists(ACTS, max_size=4),
)
def test_something_else_may_be_done_after_what_broke_off(way, torn, at, acts):
    registry = RoleRegistry(server := Server(WAYS[way]))
    for version in ("2", "1"):
        registry.promote(MODEL, version)
    server.champions.clear()
    server.left = at
    with contextlib.suppress(Unavailable):
        act(registry, *torn)
    server.left = -1

    for name, version in acts:
        act(registry, name, version)

    assert all(server.champions)


@pytest.mark.parametrize("at", [1, 2, 3])
def test_by_tag_nobody_is_the_one_before_while_still_serving(at: int):
    registry = RoleRegistry(server := Server(WAYS["tags"]))
    for version in ("1", "2"):
        registry.promote(MODEL, version)
    server.left = at

    with pytest.raises(Unavailable):
        registry.promote(MODEL, "3")

    assert seen(registry)[:2] == (("2", "1") if at == 1 else ("3", "2"))

    server.champions.clear()
    registry.promote(MODEL, "4")

    assert seen(registry)[:2] == ("4", "2" if at == 1 else "3")
    assert set(server.champions) <= {"2", "3", "4"}


@pytest.mark.parametrize("way", WAYS)
def test_to_promote_who_serves_already_makes_no_call(way: str):
    registry = RoleRegistry(server := Server(WAYS[way]))
    registry.promote(MODEL, "1")
    registry.promote(MODEL, "2")
    made = len(server.champions)

    registry.promote(MODEL, "2")
    registry.undo_promotion(MODEL, "3", champion="2", previous=number(registry.previous(MODEL)))

    assert len(server.champions) == made


def test_a_server_that_has_stages_but_no_tags_keeps_nobody_as_the_one_before():
    registry = RoleRegistry(Server(WAYS["stages without tags"]))
    registry.promote(MODEL, "1")

    registry.promote(MODEL, "2")

    assert seen(registry) == ("2", "", "")


def test_a_stage_from_before_the_server_lost_them_says_nothing():
    server = Server(WAYS["tags"])
    server._move("1", "Production")

    assert seen(RoleRegistry(server)) == ("", "", "")


def test_a_version_that_a_search_does_not_show_yet_can_be_promoted():
    server = Server(WAYS["tags"])
    server.versions = lambda model, run_id="": iter([server.held["1"]])

    RoleRegistry(server).promote(MODEL, "2")

    assert server.held["2"].tags["retrain_loop.role"] == "champion"
