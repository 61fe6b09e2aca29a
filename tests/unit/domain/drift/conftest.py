"""A model like the one behind the golden windows, and the windows."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shared.catalogue import Model
from shared.domain.gates.calibration import bins_of, calibration_error

GOLDEN = Path(__file__).parents[3] / "golden"
NUMERIC = (
    "coin_in",
    "coin_out",
    "handle_pulls",
    "avg_bet",
    "session_minutes",
    "payout_ratio",
    "unique_players",
)
CATEGORICAL = ("game_theme", "denomination_tier", "floor_zone")
NO_ID = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True)
class GivenRows:
    """Rows as a test has them."""

    features: Any
    prediction: Any
    actual: Any


def model_of(
    features: dict[str, str], task: str = "regression", drift: dict[str, Any] | None = None
) -> Model:
    return Model.model_validate(
        {
            "name": "slot-revenue",
            "task": task,
            "domain": "casino",
            "regulated": False,
            "owner": "floor",
            "cost_center": "42",
            "fabric": {"workspace_id": NO_ID, "pipeline_id": NO_ID},
            "data": {"predictions": "gold.served", "actuals": "gold.true", "holdout": "gold.held"},
            "columns": {"timestamp": "at", "id": "id", "prediction": "p", "actual": "y"},
            "features": [{"name": name, "kind": kind} for name, kind in features.items()],
            "drift": drift or {},
            "gates": {"performance": {"floor": 0.0}},
        }
    )


def rows_of(table: pa.Table, prediction: Any = None, actual: Any = None) -> GivenRows:
    blank = np.full(table.num_rows, np.nan)
    return GivenRows(
        table,
        blank if prediction is None else np.asarray(prediction, dtype=float),
        blank if actual is None else np.asarray(actual, dtype=float),
    )


def slot_rows(table: pa.Table) -> GivenRows:
    return rows_of(
        table.select([*NUMERIC, *CATEGORICAL]),
        table["predicted_revenue"].to_numpy(),
        table["daily_revenue"].to_numpy(),
    )


@pytest.fixture(scope="session")
def make_model():
    return model_of


@pytest.fixture(scope="session")
def make_rows():
    return rows_of


@pytest.fixture(scope="session")
def slot_model() -> Model:
    kinds = dict.fromkeys(NUMERIC, "numeric") | dict.fromkeys(CATEGORICAL, "categorical")
    return model_of(kinds)


@pytest.fixture(scope="session")
def expected() -> dict[str, Any]:
    return json.loads((GOLDEN / "expected.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def slot_reference() -> GivenRows:
    return slot_rows(pq.read_table(GOLDEN / "slot_reference.parquet"))


@pytest.fixture(scope="session")
def slot_current() -> GivenRows:
    return slot_rows(pq.read_table(GOLDEN / "slot_current.parquet"))


@pytest.fixture(scope="session")
def quiet_windows() -> list[GivenRows]:
    table = pq.read_table(GOLDEN / "slot_no_drift_windows.parquet")
    numbers = table["window"].to_numpy()
    return [slot_rows(table.filter(pa.array(numbers == number))) for number in range(8)]


def _calibration(rows: GivenRows) -> float:
    bins = bins_of(rows.prediction, 10)
    value = calibration_error(rows.actual, rows.prediction, bins)
    return float(value / np.abs(rows.actual).mean())


@pytest.fixture(scope="session")
def slot_baseline(slot_reference) -> dict[str, str]:
    error = slot_reference.actual - slot_reference.prediction
    positive = slot_reference.actual > 0
    share = np.abs(error[positive]) / slot_reference.actual[positive]
    r2 = 1 - np.mean(error**2) / np.var(slot_reference.actual)
    return {
        "baseline_rmse": repr(float(np.sqrt(np.mean(error**2)))),
        "baseline_mape": repr(float(np.mean(share))),
        "baseline_r2": repr(float(r2)),
        "baseline_ece": repr(_calibration(slot_reference)),
    }
