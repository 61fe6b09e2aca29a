"""What is known of a model when its readiness is judged: collected elsewhere, nothing decided."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from shared.domain.run import State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from shared.domain.endpoint import EndpointSignals
    from shared.domain.run import Run, Suppression

T = TypeVar("T")
_SERVES = frozenset({State.PROMOTED, State.LIVE})


@dataclass(frozen=True)
class Unknown:
    """Something that could not be found out; unknown is never ready."""

    reason: str


class NotKnownError(Exception):
    """A check rests on something unknown; only the checklist catches it."""


def known(fact: T | Unknown) -> T:
    """Give a fact's value.

    Raises:
        NotKnownError: it could not be found out.
    """
    if isinstance(fact, Unknown):
        raise NotKnownError(fact.reason)
    return fact


@dataclass(frozen=True)
class Version:
    """A version, as the registry has it."""

    version: str
    stage: str
    aliases: frozenset[str]
    tags: Mapping[str, str]


@dataclass(frozen=True)
class Tried:
    """A version that was loaded and asked; ``fault`` is empty where it answered."""

    version: str
    rows: int
    fault: str


@dataclass(frozen=True)
class Link:
    """Where a link leads: found, not found, or behind a door (None)."""

    found: bool | None
    told: str


@dataclass(frozen=True)
class Surroundings:
    """What lies outside the app's own stores.

    Attributes:
        alert_rules: the enabled rules that would fire for this model.
        runbook: where the model's runbook link leads.
        notices: whether a channel is set that people read.
    """

    alert_rules: Sequence[str] | Unknown
    runbook: Link
    notices: bool


@dataclass(frozen=True)
class Audited:
    """What the check of the model's chain came to: rows, projected ones, and every breach."""

    rows: int
    projected: int
    breaches: Sequence[str]


@dataclass(frozen=True)
class Facts:
    """All that the checklist looks at.

    Attributes:
        roles: which of aliases and stages the registry has.
        inputs: the columns of the champion's signature; none: it has no signature.
        previous: the champion before, asked; None: there is none, or nobody had to ask.
        judgement: rows of the champion's latest judgement, one a gate.
        card: the champion's latest row in ml_model_cards; None: there is none.
        schemas: of each table its columns and their types; None: there is no such table.
        checks: summary rows of the drift checks of the last days.
        served: the same checks' rows that say for how many hours nothing was served.
        triggers: the model's rows in ml_retrain_triggers that are not at their end.
        ledger: the model's chain, oldest first.
        endpoint: how the endpoint fared; None: the model declares no log of it.
    """

    now: datetime
    roles: Mapping[str, bool] | Unknown
    champion: Version | Unknown
    inputs: Sequence[str] | Unknown
    previous: Tried | Unknown | None
    judgement: Sequence[Mapping[str, Any]] | Unknown
    card: Mapping[str, Any] | Unknown | None
    schemas: Mapping[str, Mapping[str, str] | None] | Unknown
    checks: Sequence[Mapping[str, Any]] | Unknown
    served: Sequence[Mapping[str, Any]] | Unknown
    triggers: Sequence[Mapping[str, Any]] | Unknown
    ledger: Sequence[Mapping[str, Any]] | Unknown
    audit: Audited | Unknown
    runs: Sequence[Run] | Unknown
    suppression: Suppression | Unknown | None
    endpoint: EndpointSignals | Unknown | None
    around: Surroundings


def promotion(facts: Facts) -> Run | None:
    """Give the run by which the champion came to serve; None where no run has made it one."""
    number, runs = known(facts.champion).version, known(facts.runs)
    found = [run for run in runs if run.version == number and run.state in _SERVES]
    return found[-1] if found else None
