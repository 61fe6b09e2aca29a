"""Which source counts a model's rows."""

from datetime import UTC, date, datetime
from typing import Any, ClassVar

import pytest

from shared.adapters.profiles.profile_sources import ProfileSources
from shared.catalogue import Model
from shared.errors import ConfigError
from tests.contract.windows_worlds import model

NOW = datetime(2013, 7, 1, tzinfo=UTC)
GUID = "00000000-0000-0000-0000-000000000001"


class Named:
    """A source that answers with its name."""

    made: ClassVar[list[str]] = []

    def __init__(self, name: str) -> None:
        self.name = name
        self.made.append(name)

    def reference(self, *_: Any) -> Any:
        return f"reference of {self.name}"

    def days(self, *_: Any) -> Any:
        return iter([f"day of {self.name}"])


@pytest.fixture
def sources() -> ProfileSources:
    Named.made.clear()
    return ProfileSources({name: lambda n=name: Named(n) for name in ("delta", "log_analytics")})


def watched(name: str) -> Model:
    data = model().data.model_dump()
    sections = {"log_analytics": {"workspace_id": GUID, "table": "Rows_CL"}}
    return model(data={**data, "source": name, **sections, "spark": {"pipeline_id": GUID}})


def test_a_models_rows_are_counted_where_it_says(sources: ProfileSources):
    assert sources.reference(watched("log_analytics"), "1", NOW, NOW) == (
        "reference of log_analytics"
    )
    days = sources.days(watched("delta"), "1", Any, date.min, date.max)
    assert list(days) == ["day of delta"]


def test_a_source_is_made_once_and_only_if_it_is_asked_for(sources: ProfileSources):
    sources.reference(watched("delta"), "1", NOW, NOW)
    sources.reference(watched("delta"), "1", NOW, NOW)

    assert Named.made == ["delta"]


def test_a_source_that_nobody_can_make_is_told(sources: ProfileSources):
    with pytest.raises(ConfigError, match="spark"):
        sources.reference(watched("spark"), "1", NOW, NOW)


@pytest.mark.parametrize("name", ["log_analytics", "eventhouse", "spark"])
def test_a_source_needs_its_section(name: str):
    data = model().data.model_dump()

    with pytest.raises(ValueError, match=f"{name}: data.source names it"):
        model(data={**data, "source": name})
