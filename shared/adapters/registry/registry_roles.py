"""Which version has which role, and which single calls give it one. Rules only: nothing is called.

A role is an alias and, where the server has stages, the stage beside it; where it has neither, a
tag on the version. A plan is an order of calls in which every reader finds a champion after each
of them, and which, made anew from whatever an earlier attempt left, ends in the same state.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field

from shared.errors import NotFound, Refused
from shared.ports import ModelVersion

CHAMPION = "champion"
CHALLENGER = "challenger"
PREVIOUS = "previous-champion"
OUTGOING = "outgoing-champion"
"""By tag alone: still the champion until another version has that tag, the one before it then."""
RETIRED = "archived"
"""By tag alone: a version that had a role. A tag is never deleted, for setting is one call that
every server has."""
STAGING = "Staging"
PRODUCTION = "Production"
ARCHIVED = "Archived"

ROLE_TAG = "retrain_loop.role"
RUN_TAG = "retrain_run_id"
REPLACED_TAG = "replaced_version"
"""Where a server has stages alone: the version that was the champion before this one."""


@dataclass(frozen=True)
class Capabilities:
    """What a server knows of the ways to say a role."""

    aliases: bool
    stages: bool
    tags: bool

    @property
    def by_tag(self) -> bool:
        """Whether tags are the only way."""
        return self.tags and not self.aliases and not self.stages

    def named(self) -> dict[str, bool]:
        return asdict(self)


@dataclass(frozen=True)
class SetAlias:
    """Points an alias to a version, away from whichever had it."""

    alias: str
    version: str


@dataclass(frozen=True)
class DropAlias:
    """Takes an alias from the model."""

    alias: str


@dataclass(frozen=True)
class Move:
    """Brings a version to a stage; whoever was there is archived."""

    version: str
    stage: str


@dataclass(frozen=True)
class SetTag:
    """Sets one tag of a version."""

    version: str
    name: str
    value: str


Write = SetAlias | DropAlias | Move | SetTag


@dataclass(frozen=True)
class Roles:
    """One model as it was read: every version, with its aliases, and what its server knows."""

    model: str
    versions: Sequence[ModelVersion]
    has: Capabilities

    def find(self, version: str) -> ModelVersion:
        """Give a version; NotFound where the model has no such."""
        for each in self.versions:
            if each.version == version:
                return each
        raise NotFound(f"{self.model}: no version {version!r}", subject=self.model)

    def champion(self) -> ModelVersion | None:
        return self._holder(CHAMPION, PRODUCTION, CHAMPION, OUTGOING)

    def challenger(self) -> ModelVersion | None:
        return self._holder(CHALLENGER, STAGING, CHALLENGER)

    def previous(self) -> ModelVersion | None:
        """Give the champion before: by alias, by what the champion's tag replaced, or by tag."""
        if self.has.aliases:
            return self._holder(PREVIOUS, "")
        champion = self.champion()
        if self.has.by_tag:
            leaving = self._holder("", "", OUTGOING)
            gone = leaving if champion is not leaving else None
            return gone or self._holder("", "", PREVIOUS)
        replaced = champion.tags.get(REPLACED_TAG, "") if champion else ""
        # one that is gone by now is nobody to go back to
        return next((each for each in self.versions if each.version == replaced), None)

    def _holder(self, alias: str, stage: str, *tags: str) -> ModelVersion | None:
        """Give the version with the alias, else the newest in the stage; by tag, the first's."""
        if self.has.by_tag:
            return next((found for tag in tags if (found := self._tagged(tag))), None)
        if named := [each for each in self.versions if alias in each.aliases]:
            return named[0]
        staged = [each for each in self.versions if self.has.stages and each.stage == stage]
        return max(staged, key=lambda each: int(each.version), default=None)

    def _tagged(self, role: str) -> ModelVersion | None:
        found = [each for each in self.versions if each.tags.get(ROLE_TAG) == role]
        if len(found) > 1:
            numbers = ", ".join(each.version for each in found)
            message = f"{self.model}: versions {numbers} all have {ROLE_TAG} = {role}"
            raise Refused(message, code="AmbiguousRole", subject=self.model)
        return found[0] if found else None


def staging(roles: Roles, version: str) -> Iterator[Write]:
    """Make a version the challenger; its alias comes last: who carries it has everything.

    Raises:
        NotFound: there is no such version.
        Refused: it is the champion.
    """
    candidate = _no_champion(roles, version)
    if roles.has.by_tag:
        tags = _Tags.of(roles)
        tags.pass_on(CHALLENGER, version)
        yield from tags.writes
        return
    if roles.has.stages and candidate.stage != STAGING:
        yield Move(version, STAGING)
    if roles.has.aliases and CHALLENGER not in candidate.aliases:
        yield SetAlias(CHALLENGER, version)


def promotion(roles: Roles, version: str) -> Iterator[Write]:
    """Make a version the champion, and keep the one of now as the one before it.

    The champion's alias moves last but one: until then the one before serves, and whoever repeats
    this finds the same champion to remember.
    """
    winner, now = roles.find(version), roles.champion()
    if roles.has.by_tag:
        tags = _Tags.of(roles)
        tags.promote(version)
        yield from tags.writes
        return
    if now is not None and now.version != version:
        yield from _remembered(roles, now, winner)
    if roles.has.stages and winner.stage != PRODUCTION:
        yield Move(version, PRODUCTION)
    if roles.has.aliases:
        if CHAMPION not in winner.aliases:
            yield SetAlias(CHAMPION, version)
        if CHALLENGER in winner.aliases:
            yield DropAlias(CHALLENGER)


def undoing(roles: Roles, version: str, champion: str, previous: str) -> Iterator[Write]:
    """Take back a promotion that got as far as it got; empty: there was no such version.

    Raises:
        NotFound: the champion, or the one before it where there is to be one, is not there.
    """
    for needed in filter(None, (champion, previous)):
        roles.find(needed)
    if roles.has.by_tag:
        tags = _Tags.of(roles)
        tags.undo(version, champion, previous)
        yield from tags.writes
        return
    yield from _stages_back(roles, version, champion)
    if roles.has.aliases:
        yield from _alias_back(roles, CHAMPION, champion)
        yield from _alias_back(roles, PREVIOUS, previous)


def retirement(roles: Roles, version: str) -> Iterator[Write]:
    """Take the challenger's role from a version that may have it.

    Raises:
        NotFound: there is no such version.
        Refused: it is the champion.
    """
    found = _no_champion(roles, version)
    if roles.has.by_tag and found.tags.get(ROLE_TAG) == CHALLENGER:
        yield SetTag(version, ROLE_TAG, RETIRED)
    if roles.has.aliases and CHALLENGER in found.aliases:
        yield DropAlias(CHALLENGER)
    if roles.has.stages and found.stage == STAGING:
        yield Move(version, ARCHIVED)


def _no_champion(roles: Roles, version: str) -> ModelVersion:
    found, champion = roles.find(version), roles.champion()
    serves = champion is not None and champion.version == version
    if serves or (roles.has.stages and found.stage == PRODUCTION):
        message = f"{roles.model}: version {version} is the champion"
        raise Refused(message, code="IsChampion", subject=roles.model)
    return found


def _remembered(roles: Roles, now: ModelVersion, winner: ModelVersion) -> Iterator[Write]:
    if not roles.has.aliases:
        if roles.has.tags and winner.tags.get(REPLACED_TAG) != now.version:
            yield SetTag(winner.version, REPLACED_TAG, now.version)
    elif PREVIOUS not in now.aliases:
        yield SetAlias(PREVIOUS, now.version)


def _stages_back(roles: Roles, version: str, champion: str) -> Iterator[Write]:
    if not roles.has.stages:
        return
    serves = [each.version for each in roles.versions if each.stage == PRODUCTION]
    if champion and roles.find(champion).stage == ARCHIVED:
        yield Move(champion, PRODUCTION)
    elif version in serves and version != champion:
        yield Move(version, ARCHIVED)


def _alias_back(roles: Roles, alias: str, version: str) -> Iterator[Write]:
    holder = next((each.version for each in roles.versions if alias in each.aliases), "")
    if version and holder != version:
        yield SetAlias(alias, version)
    elif holder and not version:
        yield DropAlias(alias)


@dataclass
class _Tags:
    """The versions' role tags, and the writes that change them; each write moves one version."""

    roles: Roles
    held: dict[str, str]
    writes: list[Write] = field(default_factory=list)

    @classmethod
    def of(cls, roles: Roles) -> "_Tags":
        return cls(roles, {each.version: each.tags.get(ROLE_TAG, "") for each in roles.versions})

    def give(self, version: str, role: str) -> None:
        if self.held[version] != role:
            self.held[version] = role
            self.writes.append(SetTag(version, ROLE_TAG, role))

    def pass_on(self, role: str, version: str) -> None:
        """Give a role that another may have: that one first loses it, so that no two have it."""
        for each in self._with(role):
            if each != version:
                self.give(each, RETIRED)
        if version:
            self.give(version, role)

    def promote(self, version: str) -> None:
        self._settle()
        now = next(iter(self._with(CHAMPION) or self._with(OUTGOING)), "")
        if now and now != version:
            self.give(now, OUTGOING)
        self.give(version, CHAMPION)
        self._settle()

    def undo(self, version: str, champion: str, previous: str) -> None:
        if champion and self.held[champion] != CHAMPION:
            self.give(champion, OUTGOING)  # serves as soon as the undone one does not
        if version != champion and self.held.get(version) in (CHAMPION, OUTGOING):
            self.give(version, RETIRED)
        if champion:
            self.give(champion, CHAMPION)
        self.pass_on(PREVIOUS, previous)

    def _settle(self) -> None:
        """End what a broken-off promotion left: the outgoing champion becomes the one before."""
        gone = next(iter(self._with(OUTGOING)), "")
        if gone and self._with(CHAMPION):
            for each in self._with(PREVIOUS):
                self.give(each, RETIRED)
            self.give(gone, PREVIOUS)

    def _with(self, role: str) -> list[str]:
        return [version for version, held in self.held.items() if held == role]
