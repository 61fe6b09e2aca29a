"""A model registry in memory."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from shared.errors import NoChampion, NotFound, Refused
from shared.ports import ModelVersion
from tests.fakes.faults import Faults

RUN_TAG = "retrain_run_id"


class FakeRegistry:
    """A test registers versions and names the champion; ``attached`` has the files of the versions;
    ``faults`` are for every call.
    """

    def __init__(self) -> None:
        self._versions: dict[str, list[ModelVersion]] = {}
        self._aliases: dict[str, dict[str, str]] = {}
        self.attached: dict[tuple[str, str, str], bytes] = {}
        self.faults = Faults()

    def register(
        self,
        model: str,
        *,
        tags: Mapping[str, str] | None = None,
        run_id: str = "",
        source: str = "file:///source",
    ) -> str:
        """Add a version, as a training job does, and give its number."""
        versions = self._versions.setdefault(model, [])
        version = str(len(versions) + 1)
        versions.append(
            ModelVersion(model, version, run_id, "None", frozenset(), dict(tags or {}), source)
        )
        return version

    def set_champion(self, model: str, version: str) -> None:
        self._aliases.setdefault(model, {})["champion"] = version

    def set_stage(self, model: str, version: str, stage: str) -> None:
        self._versions[model] = [
            replace(item, stage=stage) if item.version == version else item
            for item in self._versions[model]
        ]

    def champion(self, model: str) -> ModelVersion:
        self.faults.before()
        found = self._holder(model, "champion", "Production")
        if found is None:
            raise NoChampion(f"{model}: no version is the champion", subject=model)
        return found

    def challenger(self, model: str) -> ModelVersion | None:
        self.faults.before()
        return self._holder(model, "challenger", "Staging")

    def version(self, model: str, version: str) -> ModelVersion:
        self.faults.before()
        return self._find(model, version)

    def made_by(self, model: str, run_id: str) -> Sequence[ModelVersion]:
        self.faults.before()
        return tuple(item for item in self._all(model) if item.tags.get(RUN_TAG) == run_id)

    def stage_candidate(self, model: str, version: str) -> None:
        fault = self.faults.before()
        _require_no_champion(self._find(model, version))
        for item in self._all(model):
            if item.stage == "Staging":
                self.set_stage(model, item.version, "Archived")
        self.set_stage(model, version, "Staging")
        self._aliases.setdefault(model, {})["challenger"] = version
        self.faults.after(fault)

    def promote(self, model: str, version: str) -> None:
        fault = self.faults.before()
        self._find(model, version)
        aliases = self._aliases.setdefault(model, {})
        now = self._holder(model, "champion", "Production")
        if now is not None and now.version != version:
            aliases["previous-champion"] = now.version
        for item in self._all(model):
            if item.stage == "Production":
                self.set_stage(model, item.version, "Archived")
        self.set_stage(model, version, "Production")
        aliases["champion"] = version
        if aliases.get("challenger") == version:
            del aliases["challenger"]
        self.faults.after(fault)

    def undo_promotion(self, model: str, version: str, *, champion: str, previous: str) -> None:
        fault = self.faults.before()
        if champion:
            self._find(model, champion)
        if all(item.version != previous for item in self._all(model)):
            previous = ""
        aliases = self._aliases.setdefault(model, {})
        moved = any(
            (item.version, item.stage) == (version, "Production") for item in self._all(model)
        )
        if moved:
            self.set_stage(model, version, "Archived")
        if champion and (moved or self._find(model, champion).stage == "Archived"):
            self.set_stage(model, champion, "Production")
        for alias, holder in (("champion", champion), ("previous-champion", previous)):
            if holder:
                aliases[alias] = holder
            else:
                aliases.pop(alias, None)
        self.faults.after(fault)

    def previous(self, model: str) -> ModelVersion | None:
        self.faults.before()
        return self._holder(model, "previous-champion", "")

    def retire(self, model: str, version: str) -> None:
        fault = self.faults.before()
        found = self._find(model, version)
        _require_no_champion(found)
        if "challenger" in found.aliases:
            del self._aliases[model]["challenger"]
        if found.stage == "Staging":
            self.set_stage(model, version, "Archived")
        self.faults.after(fault)

    def annotate(self, model: str, version: str, tags: Mapping[str, str]) -> None:
        fault = self.faults.before()
        found = self._find(model, version)
        changed = replace(found, tags={**found.tags, **tags}, aliases=frozenset())
        self._versions[model][int(version) - 1] = changed
        self.faults.after(fault)

    def attach(self, model: str, version: str, name: str, content: bytes) -> None:
        fault = self.faults.before()
        if not self._find(model, version).run_id:
            message = f"{model}: version {version} belongs to no run"
            raise Refused(message, code="NoRun", subject=model)
        self.attached[model, version, name] = content
        self.faults.after(fault)

    def capabilities(self) -> Mapping[str, bool]:
        self.faults.before()
        return {"aliases": True, "stages": True, "tags": True}

    def _holder(self, model: str, alias: str, stage: str) -> ModelVersion | None:
        named = self._aliases.get(model, {}).get(alias)
        if named is not None:
            return self._find(model, named)
        staged = [item for item in self._all(model) if item.stage == stage]
        return max(staged, key=lambda item: int(item.version), default=None)

    def _find(self, model: str, version: str) -> ModelVersion:
        for item in self._all(model):
            if item.version == version:
                return item
        raise NotFound(f"{model}: no version {version}", subject=model)

    def _all(self, model: str) -> list[ModelVersion]:
        aliases = self._aliases.get(model, {})
        return [
            replace(
                item,
                aliases=frozenset(name for name, held in aliases.items() if held == item.version),
            )
            for item in self._versions.get(model, [])
        ]


def _require_no_champion(found: ModelVersion) -> None:
    if "champion" in found.aliases or found.stage == "Production":
        message = f"{found.name}: version {found.version} is the champion"
        raise Refused(message, code="IsChampion", subject=found.name)
