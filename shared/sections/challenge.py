"""The ``challenge:`` section of a model: what a challenger must do to become the champion."""

from typing import Annotated

from pydantic import Field

from shared.sections.base import Days, Section


class Challenge(Section):
    """Champion and challenger answer for the same rows, day by day."""

    wins: Annotated[int, Field(ge=1, le=365)] = 7
    """Days in a row that the challenger must win. Source: promotion notebook, 7."""
    min_rows: Annotated[int, Field(ge=2)] = 100
    """Rows with an actual under which a day is no win. House rule: the normal approximation of the
    paired test needs about so many."""
    significance: Annotated[float, Field(gt=0, lt=0.5)] | None = None
    """Level of the paired test over the days of the streak, two-sided, which must find the
    challenger's squared errors the smaller ones; None: wins alone decide."""
    max_days: Days = 60
    """Days after which a challenger without such a streak is rejected. House rule."""
