"""The whole loop, both scenarios: what ``make demo`` does, in a folder of the test's own."""

from io import StringIO

import pytest
from rich.console import Console

from local.demo import run_demo
from local.scenarios import SCENARIOS

pytestmark = [pytest.mark.loop, pytest.mark.timeout(600)]


@pytest.mark.parametrize(
    ("name", "promote", "rows"), [("flights", True, 12), ("slot-revenue", False, 8)]
)
def test_a_scenario_goes_from_drift_to_an_audited_promotion_and_is_quiet_again(
    name, promote, rows, tmp_path
):
    told = StringIO()

    outcome = run_demo(
        SCENARIOS[name], Console(file=told, width=120), home=tmp_path, promote=promote
    )

    assert [(row.step, row.found) for row in outcome.rows if not row.green] == [], told.getvalue()
    assert len(outcome.rows) == rows
    assert outcome.intact
    assert not (tmp_path / "endpoints.json").exists()
