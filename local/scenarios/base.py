"""What a scenario is, and the steps all of them share: preparation and the passing of time."""

import json
import os
import subprocess
import sys
import tempfile
import warnings
from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local.scenarios import cache, tables

if TYPE_CHECKING:
    import pandas as pd

PROJECT = Path(__file__).resolve().parents[2]
DEFAULT_CACHE = PROJECT / ".local" / "cache"


class PreparationError(RuntimeError):
    """The scenario could not be set up; the message holds the notebook's last words."""


@dataclass(frozen=True)
class Paths:
    """Where a scenario's lakehouse and model registry live."""

    root: Path

    @property
    def lakehouse(self) -> Path:
        return self.root / "lakehouse"

    @property
    def mlflow(self) -> Path:
        return self.root / "mlflow"

    @property
    def artifacts(self) -> Path:
        return self.mlflow / "artifacts"

    @property
    def tracking_uri(self) -> str:
        return f"sqlite:///{self.mlflow.resolve() / 'mlflow.db'}"


@dataclass(frozen=True)
class Columns:
    """How a scenario's tables name what every scenario has."""

    id: str
    timestamp: str
    day: str
    actual: str
    actual_at: str
    prediction: str
    numeric: tuple[str, ...]
    categorical: tuple[str, ...]

    @property
    def features(self) -> list[str]:
        return [*self.numeric, *self.categorical]


@dataclass(frozen=True)
class Tables:
    """The scenario's Delta tables, relative to the lakehouse."""

    facts: str
    holdout: str
    predictions: str
    actuals: str


@dataclass(frozen=True)
class ScenarioSpec:
    """A scenario's names and its dates; all datetimes are UTC."""

    name: str
    title: str
    model_name: str
    experiment: str
    notebook: str
    pipeline: str
    champion_as_of: datetime
    alarm_at: datetime
    next_check_at: datetime
    tables: Tables
    columns: Columns
    label_lag: timedelta = timedelta(days=1)
    holdout_every_days: int = 4

    @property
    def notebook_path(self) -> Path:
        return PROJECT / "infra" / "fabric" / self.notebook / "notebook-content.py"


class Scenario(ABC):
    """A story on data: its past up to the alarm, and what comes after it."""

    spec: ScenarioSpec

    @abstractmethod
    def source(self) -> "pd.DataFrame":
        """Every row the story will ever hold, ordered by timestamp.

        The columns are those of the facts table; ``actual_at`` says when the actual is known.
        """

    def prepare(self, workdir: Paths, cache_root: Path = DEFAULT_CACHE) -> None:
        """Set the stage as of ``alarm_at``, replacing what an earlier run left.

        The outcome is kept under ``cache_root`` and copied the next time.

        Raises:
            PreparationError: the first champion could not be trained.
        """
        key = f"{self.spec.name}-{cache.fingerprint(self.spec.notebook_path)}"
        entry = cache.Entry(cache_root / key, (workdir.lakehouse, workdir.mlflow))
        if entry.restore():
            return
        self._prepare_anew(workdir)
        entry.store()

    def advance(self, workdir: Paths, to: datetime, versions: list[str]) -> None:
        """Let the time pass until ``to``: new rows, actuals and predictions of each version.

        Repeating it adds nothing: each table continues from its own newest row.
        """
        self._write_data(workdir, to)
        for version in versions:
            self._score(workdir, version, to)

    def _prepare_anew(self, workdir: Paths) -> None:
        cache.clear(workdir.lakehouse, workdir.mlflow)
        workdir.artifacts.mkdir(parents=True)
        self._create_experiment(workdir)
        self._write_data(workdir, self.spec.champion_as_of)
        self._train_champion(workdir)
        self.advance(workdir, self.spec.alarm_at, [self._crown(workdir)])

    def _create_experiment(self, workdir: Paths) -> None:
        """Create the notebook's experiment first, for its artifacts to land in the workdir."""
        import mlflow

        client = mlflow.MlflowClient(tracking_uri=workdir.tracking_uri)
        client.create_experiment(
            self.spec.experiment, artifact_location=str(workdir.artifacts.resolve())
        )

    def _write_data(self, workdir: Paths, now: datetime) -> None:
        names, columns = self.spec.tables, self.spec.columns
        rows = self.source()
        rows = rows[rows[columns.timestamp] < now - self.spec.label_lag]
        known = rows[rows[columns.actual_at] <= now].dropna(subset=[columns.actual])
        # A row whose actual never becomes known (a diverted flight) can judge nobody.
        held = tables.is_held(known[columns.day], self.spec.holdout_every_days)
        actuals = known[[columns.id, columns.actual, columns.actual_at, columns.day]]
        for name, content, order in (
            (names.facts, rows, columns.timestamp),
            (names.holdout, known[held], columns.timestamp),
            (names.actuals, actuals, columns.actual_at),
        ):
            tables.append_newer(workdir.lakehouse / name, content, order, None)

    def _train_champion(self, workdir: Paths) -> None:
        parameters = {
            "run_id": f"{self.spec.name}-first-champion",
            "model": self.spec.model_name,
            "as_of": self.spec.champion_as_of.isoformat(),
            "intent": "first-champion",
        }
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "parameters.json"
            file.write_text(json.dumps(parameters), encoding="utf-8")
            done = subprocess.run(
                [sys.executable, "-m", "local.notebook_runner", str(self.spec.notebook_path),
                 "--parameters", str(file)],
                env=os.environ | notebook_environment(workdir), cwd=PROJECT,
                capture_output=True, text=True, check=False,
            )  # fmt: skip
        if done.returncode != 0:
            raise PreparationError(f"{self.spec.notebook} failed:\n{done.stderr[-4000:]}")

    def _crown(self, workdir: Paths) -> str:
        """Make the first version the champion: the operator's act, done here for the demo."""
        import mlflow

        client = mlflow.MlflowClient(tracking_uri=workdir.tracking_uri)
        name = self.spec.model_name
        version = str(client.search_model_versions(f"name='{name}'")[0].version)
        client.set_registered_model_alias(name, "champion", version)
        with warnings.catch_warnings():
            # Stages are deprecated in MLflow, and still what half of the field asks for.
            warnings.simplefilter("ignore", FutureWarning)
            client.transition_model_version_stage(name, version, "Production")
        return version

    def _score(self, workdir: Paths, version: str, now: datetime) -> None:
        """Log the version's predictions for every row since its newest one in the log."""
        columns = self.spec.columns
        log = workdir.lakehouse / self.spec.tables.predictions
        since = tables.newest(log, columns.timestamp, [("model_version", "=", version)])
        rows = self.source()
        rows = rows[rows[columns.timestamp] < now]
        rows = rows if since is None else rows[rows[columns.timestamp] > since]
        if rows.empty:
            return
        predicted, run_id = self._predict(workdir, version, rows[columns.features])
        scored = rows[[columns.id, columns.timestamp, columns.day, *columns.features]].assign(
            **{columns.prediction: predicted},
            model_version=version,
            scored_at=rows[columns.timestamp],
            retrain_run_id=run_id,
        )
        tables.append(log, scored, columns.day)

    def _predict(self, workdir: Paths, version: str, features: "pd.DataFrame") -> tuple[Any, str]:
        """Give the version's answers, and the run that made it."""
        import mlflow
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped] # no stubs

        client = mlflow.MlflowClient(tracking_uri=workdir.tracking_uri)
        uri = client.get_model_version_download_uri(self.spec.model_name, version)
        tags = client.get_model_version(self.spec.model_name, version).tags
        # More OpenMP threads than free cores spin on each other: minutes instead of a second.
        with threadpool_limits(limits=1):
            answers = mlflow.pyfunc.load_model(uri).predict(features)
        return answers, tags.get("retrain_run_id", "")


def notebook_environment(workdir: Paths) -> dict[str, str]:
    """The variables a notebook needs to find the scenario's lakehouse and registry."""
    return {
        "LAKEHOUSE_ROOT": str(workdir.lakehouse.resolve()),
        "MLFLOW_TRACKING_URI": workdir.tracking_uri,
    }
