"""The app's profile sources and endpoint monitor, as the settings wire them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from shared.adapters.profiles.endpoint_log import EndpointLogs
from shared.bootstrap import App
from shared.catalogue import Catalogue, Model
from shared.config import load_settings
from shared.errors import ConfigError, Unavailable
from tests.contract.kql_worlds import WORKSPACE
from tests.contract.windows_worlds import ACTUALS, GUID, HOLDOUT, PREDICTIONS, model
from tests.fakes.settings import LOCAL, NOBODY

START = datetime(2013, 7, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
SECTIONS: dict[str, Any] = {
    "log_analytics": {"workspace_id": WORKSPACE, "table": "Rows_CL"},
    "eventhouse": {"cluster_uri": NOBODY, "database": "drift", "table": "Rows"},
    "spark": {"pipeline_id": GUID},
}


def watched(source: str, **changes: Any) -> Model:
    tables = {"predictions": PREDICTIONS, "actuals": ACTUALS, "holdout": HOLDOUT}
    data = {**tables, "source": source, **SECTIONS}
    return model(data=data, **changes)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lakehouse is a folder of this one, and asking Spark to count writes there."""
    monkeypatch.chdir(tmp_path)


def app(**settings: str) -> App:
    catalogue = Catalogue(version=1, models=(model(),))
    return App(load_settings({**LOCAL, **settings}), catalogue)


@pytest.mark.parametrize("source", ["log_analytics", "eventhouse", "spark"])
def test_each_source_asks_its_own_service(source: str):
    wired = app(LOGS_QUERY_ENDPOINT=NOBODY).profile_source

    with pytest.raises(Unavailable) as caught:
        wired.reference(watched(source), "1", START, START + HOUR)

    named = {"log_analytics": "Log Analytics", "eventhouse": "Eventhouse", "spark": "Fabric"}
    assert named[source] in str(caught.value)


def test_the_endpoint_monitor_asks_log_analytics():
    log = {"workspace_id": WORKSPACE, "value": "POST /score"}

    with pytest.raises(Unavailable, match="Log Analytics"):
        app(LOGS_QUERY_ENDPOINT=NOBODY).endpoint_monitor.signals(
            model(endpoint_log=log), START, START + HOUR
        )


def test_drift_is_checked_without_log_analytics_where_no_model_asks_for_it():
    wired = app()

    assert isinstance(wired.endpoint_monitor, EndpointLogs)
    with pytest.raises(ConfigError, match="LOGS_QUERY_ENDPOINT"):
        wired.endpoint_monitor.signals(
            model(endpoint_log={"workspace_id": WORKSPACE, "value": "POST /score"}),
            START,
            START + HOUR,
        )


def test_the_local_stack_does_not_speak_to_the_clouds_workspaces():
    with pytest.raises(ConfigError, match="LOGS_QUERY_ENDPOINT"):
        app().profile_source.reference(watched("log_analytics"), "1", START, START + HOUR)


@pytest.mark.parametrize("seconds", ["0", "601", "nan"])
def test_a_query_may_not_take_longer_than_the_service_allows(seconds: str):
    with pytest.raises(ConfigError, match="KQL_SECONDS"):
        app(KQL_SECONDS=seconds)
