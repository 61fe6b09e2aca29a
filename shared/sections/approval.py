"""The ``approval:`` section of a model: whether a person must agree to a promotion."""

from typing import Annotated, Literal

from pydantic import Field

from shared.sections.base import Section


class Approval(Section):
    """Who promotes: the loop, or a person."""

    mode: Literal["default", "automatic", "required"] = "default"
    """``default``: required for regulated and public-safety models, automatic for others."""
    hours: Annotated[float, Field(gt=0, le=8784)] = 72.0
    """How long an approval is waited for; then the promotion is rejected. House rule: a weekend."""
