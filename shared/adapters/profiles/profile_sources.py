"""The ProfileSource port for models whose rows lie in different places: asks the one that has them.

A source is made when a model first asks for it, so what nobody uses is never imported.
"""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

from shared.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import date, datetime

    from shared.catalogue import Model
    from shared.domain.drift.spec import DayProfile, ProfileSpec, Reference
    from shared.ports import ProfileSource


class ProfileSources:
    """The ProfileSource port, by ``data.source``."""

    def __init__(self, makers: Mapping[str, Callable[[], ProfileSource]]) -> None:
        self._makers = makers
        self._made: dict[str, ProfileSource] = {}
        self._lock = Lock()  # models are checked some at a time

    def reference(self, model: Model, version: str, start: datetime, end: datetime) -> Reference:
        return self._of(model).reference(model, version, start, end)

    def days(
        self, model: Model, version: str, spec: ProfileSpec, start: date, end: date
    ) -> Iterator[DayProfile]:
        return self._of(model).days(model, version, spec, start, end)

    def _of(self, model: Model) -> ProfileSource:
        name = model.data.source
        if name not in self._makers:
            message = f"{model.name}: data.source: nothing counts rows in {name}"
            raise ConfigError(message, subject=model.name)
        with self._lock:
            if name not in self._made:
                self._made[name] = self._makers[name]()
            return self._made[name]
