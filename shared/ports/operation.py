"""How an online endpoint does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from shared.domain.endpoint import EndpointSignals

if TYPE_CHECKING:
    from datetime import datetime

    from shared.catalogue import Model


class EndpointMonitor(Protocol):
    """Says how a model's online endpoint fares, from what is logged of its requests."""

    def signals(self, model: Model, start: datetime, end: datetime) -> EndpointSignals:
        """Look at the requests in [start, end); those of the last minutes may not have arrived.

        Raises:
            NotFound: the model's ``endpoint_log`` is not given.
            DataError: the answer was cut or has another form.
        """


__all__ = ["EndpointMonitor", "EndpointSignals"]
