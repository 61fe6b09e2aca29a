"""A small lakehouse and registry for the notebooks: two versions of a line through the origin."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from deltalake import DeltaTable, write_deltalake
from sklearn.linear_model import LinearRegression

MODEL = "casino-slot-revenue-forecast-line"
FACTS, PREDICTIONS, ACTUALS = "lh_gold/facts", "lh_gold/answers", "lh_gold/actuals"
FIRST_DAY = datetime(2026, 5, 1, tzinfo=UTC)
DAY = timedelta(days=1)
ROWS_A_DAY = 120
SLOPES = {"1": 1.0, "2": 2.0}  # the truth is 1.9
RUN_ID = "run-2"


@dataclass(frozen=True)
class Lakeside:
    """Where the tables and the registry lie."""

    root: Path
    tracking_uri: str

    def table(self, name: str) -> DeltaTable:
        return DeltaTable(str(self.root / name))

    def rows(self, name: str) -> pd.DataFrame:
        return self.table(name).to_pandas()

    def append(self, name: str, rows: pd.DataFrame, **options: object) -> None:
        stamp = pd.ArrowDtype(pa.timestamp("us", tz="UTC"))
        aware = rows.select_dtypes("datetimetz").columns
        table = pa.Table.from_pandas(rows.astype(dict.fromkeys(aware, stamp)), preserve_index=False)
        path = str(self.root / name)
        write_deltalake(path, table.replace_schema_metadata(None), mode="append", **options)


def facts(day: int, n: int = ROWS_A_DAY) -> pd.DataFrame:
    """A day's rows, five minutes apart; the actual is 1.9 x and a little."""
    generator = np.random.default_rng(day)
    start = FIRST_DAY + day * DAY
    times = pd.to_datetime([start + i * timedelta(minutes=5) for i in range(n)]).as_unit("us")
    x = generator.normal(10, 3, n)
    return pd.DataFrame(
        {
            "id": [f"{start:%Y-%m-%d}-{i:03d}" for i in range(n)],
            "at": times,
            "day": f"{start:%Y-%m-%d}",
            "x": x,
            "kind": generator.choice(["a", "b"], n),
            "y": 1.9 * x + generator.normal(0, 0.5, n),
        }
    )


def register(uri: str, slope: float, tags: dict[str, str]) -> str:
    """Register a version that answers slope * x; gives its number."""
    import mlflow

    x = pd.DataFrame({"x": [0.0, 1.0]})
    line = LinearRegression().fit(x, [0.0, slope])
    mlflow.set_tracking_uri(uri)
    mlflow.set_experiment("casino-regression")
    with mlflow.start_run():
        logged = mlflow.sklearn.log_model(
            line,
            name="model",
            signature=mlflow.models.infer_signature(x, line.predict(x)),
            pip_requirements=["scikit-learn"],
            serialization_format="skops",
        )
    return str(mlflow.register_model(logged.model_uri, MODEL, tags=tags).version)
