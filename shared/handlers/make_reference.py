"""Use case: make the profile that a model version's drift will be measured from.

Done when a version is staged; a version that came another way gets its own at its first check.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared.errors import LoopError, Refused
from shared.handlers.kept_profiles import KeptProfiles

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from shared.catalogue import Model
    from shared.ports import Clock, ModelVersion, ProfileSource, ProfileStore, Registry

ARTIFACT = "drift_reference.rlp"
"""The profile's name among the version's artifacts."""


@dataclass(frozen=True)
class MakeReference:
    """Makes and keeps references."""

    registry: Registry
    source: ProfileSource
    store: ProfileStore
    clock: Clock

    def __call__(self, model: Model, version: ModelVersion) -> Mapping[str, Any]:
        """Make a version's reference and attach it to the version; safe to repeat.

        Says what came of it and raises no LoopError: a version that may be staged is not held up
        by a profile that its first check can make as well.
        """
        try:
            return self._make(model, version, self.clock.now())
        except LoopError as error:
            return {"made": False, "reason": f"{type(error).__name__}: {error}"[:500]}

    def _make(self, model: Model, version: ModelVersion, now: datetime) -> Mapping[str, Any]:
        from shared.domain.drift.check import reference_span, training_end
        from shared.domain.drift.codec import encode_reference, reference_name

        span = reference_span(model, training_end(version.version, version.tags))
        kept = KeptProfiles(self.source, self.store, model, version.version, now)
        found = kept.reference(span)
        if not found.profile.rows:
            return {"made": False, "reason": "the version has answered no row of its reference yet"}
        content = encode_reference(found)
        return {
            "made": True,
            "name": reference_name(model.name, version.version),
            "sha256": hashlib.sha256(content).hexdigest(),
            "rows": found.profile.rows,
            "artifact": self._attached(version, content),
        }

    def _attached(self, version: ModelVersion, content: bytes) -> str:
        """Attach the profile and give the file's name; empty where the version takes no files."""
        try:
            self.registry.attach(version.name, version.version, ARTIFACT, content)
        except Refused:
            return ""
        return ARTIFACT
