"""The ``readiness:`` section of a model: how fresh the proof of each readiness line must be."""

from typing import Annotated

from pydantic import Field

from shared.sections.base import Days, Section


class Readiness(Section):
    """What ``loop ready`` asks for."""

    branch: Annotated[str, Field(min_length=1, max_length=200)] = "main"
    """Where reviewed code lies, by the version's tag ``branch``. Source: MLOps anchor."""
    drift_days: Days = 7
    """Days in a row that must each have a drift check. Source: tutorial, step 20, last 7 runs."""
    drill_days: Days = 30
    """An alert, and a retrain up to its verdict, must be no older. Source: tutorial, step 20."""
    rollback_days: Days = 90
    """A rollback must be no older; else the champion before must load and answer. House rule: a
    quarter."""
    endpoint_days: Days = 1
    """The endpoint's requests of so many days are looked at. House rule: a full day's load."""
