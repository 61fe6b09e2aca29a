"""The ProfileSource port for tables past one machine: a Spark notebook in Fabric counts them.

The request goes into one table and the counts come back in another, so nothing large travels with
the job. A question whose answer is not there yet starts the job and raises Unavailable: the check
is asked again later, as for any service that does not answer now. The notebook is
``infra/fabric/profile_days.Notebook``.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast

import numpy as np

from shared.adapters.profiles.kql_answers import (
    Cell,
    categorical_profile,
    numeric_profile,
    rows_counted,
)
from shared.catalogue import FabricItems, Model
from shared.domain.audit import timestamp
from shared.domain.drift.edges import Edges
from shared.domain.drift.spec import Buckets, DayProfile, ProfileSpec, Reference
from shared.domain.drift.window import WindowProfile
from shared.errors import ConfigError, DataError, NoTable, Unavailable
from shared.ports import Clock, Jobs, Tables

REQUESTS = "lh_gold.ml_profile_requests"
PROFILES = "lh_gold.ml_feature_profiles"
PREDICTION = ""
"""What the prediction is called in both tables: no column can have this name."""
FRESH = timedelta(hours=6)
"""How long counts of a time that rows may still arrive for are as good as new ones: longer than a
check waits for the job it started, shorter than the day to the next check. House rule."""
_ENDED = frozenset({"Completed", "Failed", "Cancelled", "Deduped"})
_Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class _Question:
    """What is asked of the notebook.

    Attributes:
        buckets: by feature, with the prediction; None: to be found, of this kind.
        days: empty for a reference.
    """

    model: Model
    version: str
    start: datetime
    end: datetime
    buckets: Mapping[str, tuple[str, Buckets | None]]
    days: tuple[date, ...]
    subject: Any

    @property
    def request_id(self) -> str:
        """Name what is counted on what; the days asked for make no difference."""
        text = json.dumps([self.model.name, self.version, self.subject])
        return hashlib.sha256(text.encode()).hexdigest()

    def rows(self, now: datetime) -> list[dict[str, Any]]:
        same = {
            "request_id": self.request_id,
            "requested_at": now,
            "model_name": self.model.name,
        }
        return [
            {**same, "feature": name, "kind": kind, **row}
            for name, (kind, buckets) in self.buckets.items()
            for row in _bucket_rows(buckets)
        ]

    def parameters(self) -> dict[str, str]:
        columns = self.model.columns
        return {
            "request_id": self.request_id,
            "table": self.model.data.predictions.replace(".", "/"),
            "timestamp_column": columns.timestamp,
            "id_column": columns.id,
            "prediction_column": columns.prediction,
            "version_column": columns.model_version,
            "version": self.version,
            "start": timestamp(self.start),
            "end": timestamp(self.end),
            "days": ",".join(map(str, self.days)),
            "bins": str(self.model.drift.bins),
        }


def _bucket_rows(buckets: Buckets | None) -> Iterator[dict[str, Any]]:
    yield {"place": -1, "cut": None, "category": None}
    if isinstance(buckets, Edges):
        for place, cut in enumerate(buckets.cuts.tolist()):
            yield {"place": place, "cut": cut, "category": None}
    for place, name in enumerate(buckets if isinstance(buckets, tuple) else ()):
        yield {"place": place, "cut": None, "category": name}


class SparkProfiles:
    """The ProfileSource port on the notebook's tables."""

    def __init__(self, tables: Tables, jobs: Jobs, clock: Clock) -> None:
        self._tables = tables
        self._jobs = jobs
        self._clock = clock

    def reference(self, model: Model, version: str, start: datetime, end: datetime) -> Reference:
        wanted = [(feature.name, feature.kind) for feature in model.features]
        kinds = [*wanted, (PREDICTION, "numeric")]
        subject = ["reference", timestamp(start), timestamp(end), model.drift.bins, kinds]
        buckets = {name: (kind, None) for name, kind in kinds}
        question = _Question(model, version, start, end, buckets, (), subject)
        rows = self._answers(question, {"": end}).get("")
        if rows is None:
            self._ask(question)
            raise _not_yet(model)
        spec = ProfileSpec(
            {name: _buckets(rows, name, kind) for name, kind in wanted},
            cast("Edges", _buckets(rows, PREDICTION, "numeric")),
        )
        return Reference(start, end, model.drift.bins, _profile(rows, spec))

    def days(
        self, model: Model, version: str, spec: ProfileSpec, start: date, end: date
    ) -> Iterator[DayProfile]:
        days = tuple(start + timedelta(days=step) for step in range((end - start).days))
        ends = {str(day): _midnight(day) + timedelta(days=1) for day in days}
        buckets = {name: (_kind(found), found) for name, found in spec.features.items()}
        buckets[PREDICTION] = ("numeric", spec.prediction)
        question = _Question(
            model, version, _midnight(start), _midnight(end), buckets, days, ["days", spec.digest]
        )
        found = self._answers(question, ends)
        if found.keys() != ends.keys():
            self._ask(question)
            raise _not_yet(model)
        return (DayProfile(day, _profile(found[str(day)], spec)) for day in days)

    def _answers(self, question: _Question, ends: Mapping[str, datetime]) -> dict[str, _Rows]:
        """Give the rows by day, of the last attempt that may be used."""
        try:
            rows = self._tables.read(PROFILES, {"request_id": question.request_id})
        except NoTable:
            return {}
        lag = timedelta(days=question.model.windows.lag_days)
        found: dict[str, dict[tuple[datetime, str], list[Mapping[str, Any]]]] = {}
        for row in rows:
            end = ends.get(row["day"])
            if end is not None and self._usable(row["made_at"], end + lag):
                attempt = (row["made_at"], row["attempt"])
                found.setdefault(row["day"], {}).setdefault(attempt, []).append(row)
        return {day: attempts[max(attempts)] for day, attempts in found.items()}

    def _usable(self, made_at: datetime, final: datetime) -> bool:
        return made_at >= final or self._clock.now() - made_at < FRESH

    def _ask(self, question: _Question) -> None:
        """Have the job run; one that runs already may be ours, or will have ended by next time."""
        section = question.model.data.spark
        if section is None:
            message = f"{question.model.name}: data.spark is not given"
            raise ConfigError(message, subject=question.model.name)
        writer = f"profiles:{question.request_id}"
        self._tables.append(REQUESTS, question.rows(self._clock.now()), writer=writer, batch=1)
        items = FabricItems(
            workspace_id=question.model.fabric.workspace_id, pipeline_id=section.pipeline_id
        )
        if all(instance.status in _ENDED for instance in self._jobs.instances(items)):
            self._jobs.start(items, question.parameters())


def _not_yet(model: Model) -> Unavailable:
    message = f"{model.name}: the Spark notebook is counting; ask again"
    return Unavailable(message, subject=model.name)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _kind(buckets: Buckets) -> str:
    return "numeric" if isinstance(buckets, Edges) else "categorical"


# --- rows to profiles ------------------------------------------------------------------------


def _profile(rows: _Rows, spec: ProfileSpec) -> WindowProfile:
    features = (*spec.features, PREDICTION)
    cells: dict[str, list[Cell]] = {name: [] for name in features}
    centres: dict[str, float] = {}
    for row in rows:
        cells[row["feature"]].append(_cell(row))
        centres[row["feature"]] = float(row["centre"] or 0.0)
    counted = rows_counted(cells, features)
    if not counted:
        return spec.blank()
    profiles = {
        name: numeric_profile(cells[name], buckets, centres.get(name, 0.0))
        if isinstance(buckets, Edges)
        else categorical_profile(cells[name], buckets)
        for name, buckets in spec.features.items()
    }
    odd = {row["feature"]: row["odd"] for row in rows if row["odd"]}
    answered = numeric_profile(cells[PREDICTION], spec.prediction, centres.get(PREDICTION, 0.0))
    return WindowProfile(counted, profiles, answered, odd)


def _cell(row: Mapping[str, Any]) -> Cell:
    category = row["category"] if row["category"] is not None else ""
    figures = [np.nan if row[name] is None else row[name] for name in ("s", "q", "lo", "hi")]
    return Cell(row["feature"], row["bucket"], category, row["n"], *figures)


def _buckets(rows: _Rows, feature: str, kind: str) -> Buckets:
    """Read the edges or categories that the notebook found.

    Raises:
        DataError: a part of them is not there.
    """
    own = [row for row in rows if row["feature"] == feature and row["bucket"] >= 0]
    if kind == "categorical":
        return tuple(sorted(row["category"] for row in own))
    ordered = sorted(own, key=lambda row: int(row["bucket"]))
    if [row["bucket"] for row in ordered] != list(range(len(ordered))) or not ordered:
        raise DataError(f"{feature or 'prediction'}: buckets are missing", subject=feature)
    cuts = np.array([row["cut"] for row in ordered[1:]], dtype=np.float64)
    coarse = [place for place, row in enumerate(ordered[1:]) if row["bin_edge"]]
    return Edges(cuts, np.array(coarse, dtype=np.int64))
