"""models.yaml: which models are watched, and every threshold that applies to them.

Checked whole when it is read: an unknown key, a missing id or a bad number is a ConfigError that
names the path in the file. ``${NAME}`` in a value is taken from the environment, so that ids stay
out of the file. The numbers' sources stand at the fields; ``models.schema.json`` is generated from
here for editors.
"""

import re
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from shared.errors import ConfigError

Fraction = Annotated[float, Field(ge=0, le=1)]
Days = Annotated[int, Field(ge=1, le=3660)]
Guid = Annotated[str, Field(pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
Column = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$")]
Table = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*\.[A-Za-z_][A-Za-z0-9_]*$")]

Task = Literal["regression", "classification"]


class Section(BaseModel):
    """A part of the file: frozen, and closed to unknown keys."""

    # Every comparison with NaN is false, so a limit that is NaN would never be crossed.
    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False
    )


class FabricItems(Section):
    """The Fabric items of one model."""

    workspace_id: Guid
    """The workspace that holds them."""
    pipeline_id: Guid
    """The data pipeline that retrains."""
    model_id: Guid | None = None
    """The ML model item, for its endpoint."""


class DataTables(Section):
    """Where the model's rows live, as ``lakehouse.table``."""

    predictions: Table
    """What was served: id, timestamp, every feature, prediction, model_version."""
    actuals: Table
    """What became true: id and actual, and when it was known."""
    holdout: Table
    """Whole days set aside, never trained on: id, timestamp, every feature, actual."""


class Columns(Section):
    """The names the model's tables use."""

    timestamp: Column
    id: Column
    prediction: Column
    actual: Column
    model_version: Column = "model_version"
    actual_timestamp: Column | None = None
    """When the actual became known; None: it was known at once."""


class Feature(Section):
    """One input of the model."""

    name: Column
    kind: Literal["numeric", "categorical"]


class DriftSettings(Section):
    """When a distribution counts as shifted. Defaults: the drift notebook's constants."""

    bins: Annotated[int, Field(ge=2, le=100)] = 10
    """Quantile bins of the reference. Source: drift notebook, deciles."""
    epsilon: Annotated[float, Field(gt=0, le=0.01)] = 1e-4
    """Floor of a bin's share in PSI. Source: drift notebook; PSI depends on it, so it is stored."""
    psi_moderate: Annotated[float, Field(gt=0)] = 0.10
    """PSI from here is MODERATE. Source: Siddiqi 2017, drift notebook."""
    psi_significant: Annotated[float, Field(gt=0)] = 0.20
    """PSI from here is SIGNIFICANT, the effect floor of a finding. Source: drift notebook."""
    psi_severe: Annotated[float, Field(gt=0)] = 0.25
    """PSI from here is SEVERE. Source: drift notebook."""
    ks_floor: Fraction = 0.10
    """KS D above which a shift can be a finding. Source: drift notebook."""
    cramers_v_floor: Fraction = 0.10
    """Cramer's V above which a shift can be a finding. Source: drift notebook."""
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.01
    """False-finding rate across the features, after Benjamini-Hochberg. Source: drift notebook."""
    rmse_increase: Annotated[float, Field(gt=0)] = 0.10
    """Relative growth of RMSE over the baseline. Source: drift notebook (0.10)."""
    mape_increase: Annotated[float, Field(gt=0)] = 0.05
    """Growth of MAPE over the baseline, in absolute points. Source: drift notebook (0.05)."""
    auc_decrease: Annotated[float, Field(gt=0)] = 0.05
    """Fall of AUC below the baseline, relative. Source: severity matrix, P2."""
    windows: Annotated[int, Field(ge=1, le=30)] = 3
    """How many daily-stepped windows are looked at (n of k-of-n). Source: MLOps anchor, 3."""
    sustained: Annotated[int, Field(ge=1, le=30)] = 2
    """In how many of them a finding must stand (k), the latest among them."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.psi_moderate < self.psi_significant < self.psi_severe:
            raise ValueError("psi_moderate < psi_significant < psi_severe must hold")
        if self.sustained > self.windows:
            raise ValueError("sustained must not be above windows")
        return self


class WindowSettings(Section):
    """Which rows are compared."""

    reference_days: Days = 90
    """Days before the version's training cut-off. Source: drift notebook, 90."""
    current_days: Days = 7
    """Days before the check. Source: drift notebook, 7."""


class Cooldowns(Section):
    """Days after a run in which a trigger of the kind rests. Source: MLOps anchor, 7/14/30."""

    schedule: Annotated[float, Field(ge=0)] = 0.0
    drift: Annotated[float, Field(ge=0)] = 7.0
    performance: Annotated[float, Field(ge=0)] = 14.0
    hybrid: Annotated[float, Field(ge=0)] = 7.0
    concept: Annotated[float, Field(ge=0)] = 30.0
    volume: Annotated[float, Field(ge=0)] = 7.0
    anomaly: Annotated[float, Field(ge=0)] = 7.0
    manual: Annotated[float, Field(ge=0)] = 0.0
    """A person who asks is not made to wait."""

    def of(self, kind: str) -> float:
        """Give the days of a kind; it must be one of the fields."""
        return float(getattr(self, kind))

    @property
    def longest(self) -> float:
        return max(self.of(kind) for kind in type(self).model_fields)


TRIGGER_KINDS = frozenset(Cooldowns.model_fields)
"""What may ask for a retrain."""


class Policy(Section):
    """When a trigger may start a run."""

    cooldown_days: Cooldowns = Cooldowns()
    stale_after_hours: Annotated[float, Field(gt=0)] = 24.0
    """A fired time older than this is recorded and not acted on (replays)."""
    job_deadline_minutes: Annotated[float, Field(gt=0)] = 240.0
    """A job that has not ended by then is cancelled."""
    start_grace_seconds: Annotated[float, Field(ge=0)] = 120.0
    """How long a lost start is looked for before it is asked for again."""
    start_attempts: Annotated[int, Field(ge=1, le=20)] = 5
    """How often a start is asked for before the run fails."""


class PerformanceGate(Section):
    """Gate 1: at or above a floor, and close to the champion on the same rows."""

    floor: float
    """Absolute floor of the metric: R2 for regression, AUC for classification."""
    champion_share: Fraction = 0.95
    """At least this share of the champion's metric. Source: MLOps anchor, gate 1."""


class HoldoutGate(Section):
    """Gate 2: no bias on rows set aside."""

    max_shift: Fraction = 0.05
    """|mean prediction - mean actual| over the scale. Source: MLOps anchor, gate 2."""
    scale: Literal["mean", "standard_deviation"] = "mean"
    """What the shift is relative to; a target with a mean near zero needs its deviation."""


class FairnessGate(Section):
    """Gate 3: groups are treated alike."""

    attributes: tuple[Column, ...] = ()
    """Columns of the holdout table that name a group."""
    min_parity_ratio: Fraction = 0.80
    """Demographic parity ratio. Source: MLOps anchor, the 80 % rule."""
    max_opportunity_difference: Fraction = 0.10
    """Equal opportunity difference. Source: fairness notebook."""
    max_odds_difference: Fraction = 0.10
    """Equalized odds difference. Source: fairness notebook."""
    min_group: Annotated[int, Field(ge=1)] = 30
    """Groups with fewer rows are left out and named."""
    positive_above: float = 0.5
    """A prediction above this counts as the favourable outcome."""


class LatencyGate(Section):
    """Gate 4: single rows are answered in time."""

    enabled: bool = True
    """Off for a model that is never served online."""
    p99_ms: Annotated[float, Field(gt=0)] = 100.0
    """99th percentile, milliseconds. Source: MLOps anchor, gate 4."""
    calls: Annotated[int, Field(ge=100, le=100_000)] = 1000
    """Single-row calls after warm-up. Source: MLOps anchor, gate 4."""


class CalibrationGate(Section):
    """Gate 5: predicted means what it says."""

    max_error: Fraction = 0.10
    """Expected calibration error. Source: MLOps anchor, gate 5."""
    bins: Annotated[int, Field(ge=2, le=100)] = 10
    """Quantile bins of the prediction."""


class Gates(Section):
    """What a candidate must pass."""

    performance: PerformanceGate
    holdout: HoldoutGate = HoldoutGate()
    fairness: FairnessGate = FairnessGate()
    latency: LatencyGate = LatencyGate()
    calibration: CalibrationGate = CalibrationGate()
    holdout_days: Days = 3660
    """Only rows set aside in the last so many days."""
    min_rows: Annotated[int, Field(ge=2)] = 1000
    """Fewer holdout rows than this is ERROR. Source: house rule n >= 1000."""


class Model(Section):
    """One watched model."""

    name: Name
    description: str = ""
    task: Task
    domain: Name
    regulated: bool
    """Lending, healthcare, hiring, justice: fairness cannot be switched off."""
    owner: str
    cost_center: str
    runbook: str = ""
    fabric: FabricItems
    data: DataTables
    columns: Columns
    features: Annotated[tuple[Feature, ...], Field(min_length=1)]
    windows: WindowSettings = WindowSettings()
    drift: DriftSettings = DriftSettings()
    policy: Policy = Policy()
    gates: Gates

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [feature.name for feature in self.features]
        if len(set(names)) != len(names):
            raise ValueError("features: two have the same name")
        if self.regulated and not self.gates.fairness.attributes:
            raise ValueError("gates.fairness.attributes: a regulated model must declare them")
        return self

    @property
    def feature_names(self) -> tuple[str, ...]:
        return tuple(feature.name for feature in self.features)


class Catalogue(Section):
    """The whole file."""

    version: Literal[1]
    models: Annotated[tuple[Model, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _unique(self) -> Self:
        names = [model.name for model in self.models]
        doubles = sorted({name for name in names if names.count(name) > 1})
        if doubles:
            raise ValueError(f"models: named twice: {', '.join(doubles)}")
        return self

    def find(self, name: str) -> Model | None:
        wanted = name.strip().casefold()
        return next((model for model in self.models if model.name == wanted), None)


_VARIABLE = re.compile(r"\$\{([A-Z][A-Z0-9_]*)\}")


class _Loader(yaml.SafeLoader):
    """Refuses a key that is given twice, where YAML's own loader takes the last in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [key.value for key, _ in node.value]
        twice = next((key for key, _ in node.value if keys.count(key.value) > 1), None)
        if twice is not None:
            problem = f"the key {twice.value!r} is given twice"
            raise yaml.constructor.ConstructorError(None, None, problem, twice.start_mark)
        return super().construct_mapping(node, deep=deep)


def load_catalogue(path: Path, environment: Mapping[str, str]) -> Catalogue:
    """Read and check models.yaml.

    Raises:
        ConfigError: every fault found, one a line, each with its path in the file.
    """
    try:
        # _Loader is a SafeLoader
        document = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506 - see above
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: {error}", subject=str(path)) from error
    faults: list[str] = []
    filled = _substitute(document, environment, "", faults)
    if faults:
        raise ConfigError(_listing(path, faults), subject=str(path))
    try:
        return Catalogue.model_validate(filled)
    except ValidationError as error:
        raise ConfigError(_listing(path, _faults(error)), subject=str(path)) from error


def _substitute(value: Any, environment: Mapping[str, str], where: str, faults: list[str]) -> Any:
    if isinstance(value, dict):
        return {
            key: _substitute(item, environment, f"{where}.{key}".lstrip("."), faults)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [
            _substitute(item, environment, f"{where}[{index}]", faults)
            for index, item in enumerate(value)
        ]
    if not isinstance(value, str):
        return value
    missing = [name for name in _VARIABLE.findall(value) if not environment.get(name)]
    faults.extend(f"{where}: the setting {name} is not set" for name in missing)
    return _VARIABLE.sub(lambda match: environment.get(match[1], ""), value)


def _faults(error: ValidationError) -> list[str]:
    return [
        f"{_path(fault['loc'])}: {fault['msg'].removeprefix('Value error, ')}"
        + ("" if fault["type"] in ("missing", "value_error") else _given(fault["input"]))
        for fault in error.errors(include_url=False)
        # A list whose every item is wrong is also called too short, which it is not.
        if not (fault["type"] == "too_short" and fault["input"])
    ]


def _given(value: Any) -> str:
    return "" if isinstance(value, dict | list) else f" (got {value!r:.80})"


def _path(location: tuple[int | str, ...]) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.lstrip(".") or "(the file)"


def _listing(path: Path, faults: list[str]) -> str:
    return f"{path.name} is not right:\n" + "\n".join(f"  {fault}" for fault in faults)
