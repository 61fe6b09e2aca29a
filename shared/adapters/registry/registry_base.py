"""The Registry port over any server that speaks MLflow's registry, call by call.

What a call looks like on the wire is the server's; which calls are made, and in which order, is
``registry_roles``'. Nothing here knows MLflow's client or HTTP.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Protocol

from shared.adapters.registry import registry_roles as roles
from shared.adapters.registry.registry_roles import Capabilities, Roles, SetTag, Write
from shared.adapters.registry.registry_wire import PROBE
from shared.errors import NoChampion, NotFound, Refused
from shared.ports import ModelVersion


class RegistryServer(Protocol):
    """One call each. NotFound: it answered that there is none; Unavailable: it did not answer."""

    def capabilities(self) -> Capabilities:
        """Ask which ways to say a role the server knows, by calls about the model ``PROBE``."""

    def aliases(self, model: str) -> Mapping[str, str] | None:
        """Give alias -> version; None where the model does not exist."""

    def version(self, model: str, version: str) -> ModelVersion:
        """Give one version; its aliases may be left out."""

    def versions(self, model: str, run_id: str = "") -> Iterable[ModelVersion]:
        """Give all versions, or at least those tagged with a run; aliases may be left out."""

    def write(self, model: str, write: Write) -> None:
        """Make one call that changes something."""

    def attach(self, version: ModelVersion, name: str, content: bytes) -> None:
        """Store a file with the artifacts of the run that made a version."""


class RoleRegistry:
    """The Registry port. Promotions of one model must not run at the same time."""

    def __init__(self, server: RegistryServer) -> None:
        self._server = server

    def champion(self, model: str) -> ModelVersion:
        found = self._holder(model, roles.CHAMPION)
        if found is None:
            raise NoChampion(f"{model}: no version is the champion", subject=model)
        return found

    def challenger(self, model: str) -> ModelVersion | None:
        return self._holder(model, roles.CHALLENGER)

    def previous(self, model: str) -> ModelVersion | None:
        return self._holder(model, roles.PREVIOUS)

    def version(self, model: str, version: str) -> ModelVersion:
        aliases = self._server.aliases(model)
        if aliases is None:
            raise NotFound(f"{model}: no such model", subject=model)
        return self._version(model, version, aliases)

    def made_by(self, model: str, run_id: str) -> Sequence[ModelVersion]:
        aliases = self._server.aliases(model)
        if aliases is None:
            return ()
        found = self._server.versions(model, run_id)
        # checked again, whatever the server made of the filter
        return tuple(
            _with_aliases(each, aliases) for each in found if each.tags.get(roles.RUN_TAG) == run_id
        )

    def stage_candidate(self, model: str, version: str) -> None:
        """See ``ports.Registry``; whoever was the challenger before loses the role."""
        found = self._roles(model, version)
        self._write(model, roles.staging(found, version))

    def promote(self, model: str, version: str) -> None:
        """See ``ports.Registry``."""
        found = self._roles(model, version)
        self._write(model, roles.promotion(found, version))

    def undo_promotion(self, model: str, version: str, *, champion: str, previous: str) -> None:
        """See ``ports.Registry``."""
        kept = previous if self._is_there(model, previous) else ""
        found = self._roles(model, champion, kept)
        self._write(model, roles.undoing(found, version, champion, kept))

    def retire(self, model: str, version: str) -> None:
        """See ``ports.Registry``."""
        found = self._roles(model, version)
        self._write(model, roles.retirement(found, version))

    def annotate(self, model: str, version: str, tags: Mapping[str, str]) -> None:
        """Set tags one by one, for there is no call for many: after a failure, some are set.

        Raises:
            NotFound: there is no such version.
            Refused: a tag that the store does not take.
        """
        _require_number(model, version)
        self._write(model, (SetTag(version, name, value) for name, value in tags.items()))

    def attach(self, model: str, version: str, name: str, content: bytes) -> None:
        """Store a file among the artifacts of the run that made the version.

        Raises:
            NotFound: there is no such version, or its run is gone.
            Refused: the version was registered without a run.
        """
        found = self.version(model, version)
        if not found.run_id:
            message = f"{model}: version {version} belongs to no run"
            raise Refused(message, code="NoRun", subject=model)
        self._server.attach(found, name, content)

    def capabilities(self) -> Mapping[str, bool]:
        return self._has.named()

    @cached_property
    def _has(self) -> Capabilities:
        """Ask the server, once it has shown that it is a registry.

        Raises:
            Refused: it is none, or what it would be asked about is there.
        """
        if self._server.aliases(PROBE) is not None:
            message = f"the registry has a model named {PROBE}, which is kept for asking"
            raise Refused(message, code="ProbeTaken", subject=PROBE)
        return self._server.capabilities()

    def _holder(self, model: str, role: str) -> ModelVersion | None:
        """Give who has a role: by its alias in two calls, else all versions are looked at."""
        aliases = self._server.aliases(model)
        if aliases is None:
            return None
        if role in aliases:
            return self._version(model, aliases[role], aliases)
        if role == roles.PREVIOUS and self._has.aliases:
            return None
        found = self._read(model, aliases)
        if role == roles.CHAMPION:
            return found.champion()
        return found.challenger() if role == roles.CHALLENGER else found.previous()

    def _roles(self, model: str, *needed: str) -> Roles:
        """Read a model to change its roles.

        Raises:
            NotFound: it, or a version that is needed, is not there.
            Refused: as ``_require_a_way``.
        """
        aliases = self._server.aliases(model)
        if aliases is None:
            raise NotFound(f"{model}: no such model", subject=model)
        self._require_a_way(model, aliases)
        found = self._read(model, aliases)
        known = {each.version for each in found.versions}
        # a search may lag behind what is there
        late = [each for each in needed if each and each not in known]
        more = [self._version(model, each, aliases) for each in late]
        return replace(found, versions=(*found.versions, *more))

    def _require_a_way(self, model: str, aliases: Mapping[str, str]) -> None:
        """Make sure that a role can be said, and that whoever reads it next is told the same.

        Raises:
            Refused: the server knows no way, or lists an alias that it cannot move: readers follow
                it, whatever is written beside it.
        """
        if not any(self._has.named().values()):
            message = f"{model}: the registry has neither aliases nor stages nor tags"
            raise Refused(message, code="NoRoles", subject=model)
        stuck = sorted({roles.CHAMPION, roles.CHALLENGER, roles.PREVIOUS} & aliases.keys())
        if stuck and not self._has.aliases:
            message = f"{model}: the registry lists the alias {stuck[0]} and has no call to move it"
            raise Refused(message, code="StuckAlias", subject=model)

    def _is_there(self, model: str, version: str) -> bool:
        try:
            _require_number(model, version)
            return self._server.version(model, version).version == version
        except NotFound:
            return False

    def _read(self, model: str, aliases: Mapping[str, str]) -> Roles:
        versions = [_with_aliases(each, aliases) for each in self._server.versions(model)]
        return Roles(model, versions, self._has)

    def _version(self, model: str, version: str, aliases: Mapping[str, str]) -> ModelVersion:
        _require_number(model, version)
        return _with_aliases(self._server.version(model, version), aliases)

    def _write(self, model: str, writes: Iterable[Write]) -> None:
        for each in writes:
            self._server.write(model, each)


def _with_aliases(version: ModelVersion, aliases: Mapping[str, str]) -> ModelVersion:
    own = frozenset(alias for alias, holder in aliases.items() if holder == version.version)
    return replace(version, aliases=own)


def _require_number(model: str, version: str) -> None:
    """Raise NotFound: MLflow calls a version that is no number an invalid parameter."""
    if not version.isdecimal():
        raise NotFound(f"{model}: no version {version!r}", subject=model)
