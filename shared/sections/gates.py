"""The gates' settings: what a candidate must pass, each threshold with its unit and source."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from shared.sections.base import Column, Days, Fraction, Section

ProbeName = Literal["column_order", "one_row", "missing", "extreme"]


class PerformanceGate(Section):
    """Gate 1: at or above a floor, and close to the champion on the same rows."""

    floor: float
    """Absolute floor of the metric: R2 for regression, AUC for classification."""
    champion_share: Fraction = 0.95
    """At least this share of the champion's metric. Source: MLOps anchor, gate 1."""
    ceiling: float | None = None
    """A metric above this is too good to be true and fails: the label has leaked. None: no honest
    model's metric is known."""


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


class ErrorRateGate(Section):
    """Every row is answered, with a number that can be."""

    max_rate: Fraction = 0.0
    """Largest share of rows answered with no finite number, or with one out of range. The other
    gates leave out rows without a number, and show the n they rest on. House rule: none."""
    low: float | None = None
    """The least prediction that can be, in the target's unit; None: no bound."""
    high: float | None = None
    """The greatest prediction that can be, in the target's unit; None: no bound."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError(f"low: {self.low} is not below high, {self.high}")
        return self


class SlicesGate(Section):
    """No part of the rows pays for the average."""

    columns: tuple[Column, ...] = ()
    """Columns of the holdout table whose values part the rows."""
    margin: Annotated[float, Field(ge=0)] = 0.10
    """How much larger than the champion's a slice's root mean squared error may be, as a share of
    the champion's. Source: drift notebook, 10 % RMSE."""
    margins: dict[Column, Annotated[float, Field(ge=0)]] = Field(default_factory=dict)
    """The margin of one column, where it is another."""
    min_rows: Annotated[int, Field(ge=2)] = 100
    """Slices with fewer rows are left out and named. House rule."""

    @model_validator(mode="after")
    def _declared(self) -> Self:
        unknown = sorted(set(self.margins) - set(self.columns))
        if unknown:
            raise ValueError(f"margins: {unknown[0]!r} is none of the columns")
        return self


class PredictionDriftGate(Section):
    """The candidate answers much as the champion does."""

    enabled: bool = True
    """Off where a retrain is meant to change the answers."""
    max_psi: Annotated[float, Field(gt=0)] = 0.20
    """Population stability index of the candidate's predictions against the champion's on the same
    rows. Source: drift notebook, 0.2."""
    bins: Annotated[int, Field(ge=2, le=100)] = 10
    """Quantile bins of the champion's predictions. Source: drift notebook, deciles."""


class ExplanationGate(Section):
    """The candidate leans on what the champion leans on."""

    champion_top: Annotated[int, Field(ge=1)] = 3
    """So many of the champion's features, by permutation importance. House rule."""
    candidate_top: Annotated[int, Field(ge=1)] = 6
    """Must be among so many of the candidate's. House rule."""
    min_share: Fraction = 0.01
    """A feature below this share of the champion's greatest importance counts as noise. House
    rule."""
    repeats: Annotated[int, Field(ge=1, le=100)] = 3
    """How often each feature is shuffled."""
    rows: Annotated[int, Field(ge=100)] = 5000
    """Rows of the holdout that are shuffled and probed at most; fewer for a model that is slow in
    batches. House rule: with 1,000 rows a feature of the flight model was lost by chance in 1 of 40
    samples, with 5,000 in none of 60."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.candidate_top < self.champion_top:
            raise ValueError(f"candidate_top: {self.candidate_top} is below champion_top")
        return self


class RobustnessGate(Section):
    """Odd rows are answered with numbers, and the same row always alike."""

    probes: tuple[ProbeName, ...] = ("column_order", "one_row", "missing", "extreme")
    """What is tried; none: the gate is skipped. A plain linear model cannot answer ``missing`` and
    ``extreme``."""


class LineageGate(Section):
    """Where the version comes from is on record, and the holdout was not in its training."""

    max_unproven: Fraction = 0.05
    """Largest share of holdout rows that training may have seen: before its end and not set
    aside when it began. They are left out of all gates. House rule: rows that came late."""


class Gates(Section):
    """What a candidate must pass."""

    lineage: LineageGate = LineageGate()
    error_rate: ErrorRateGate = ErrorRateGate()
    performance: PerformanceGate
    holdout: HoldoutGate = HoldoutGate()
    slices: SlicesGate = SlicesGate()
    fairness: FairnessGate = FairnessGate()
    prediction_drift: PredictionDriftGate = PredictionDriftGate()
    calibration: CalibrationGate = CalibrationGate()
    explanation: ExplanationGate = ExplanationGate()
    robustness: RobustnessGate = RobustnessGate()
    latency: LatencyGate = LatencyGate()
    certainty: Literal["point", "interval"] = "point"
    """What performance, holdout and calibration hold against their limits: the value measured, or
    the unfavourable end of its 95 % bootstrap interval. Source: the MLOps anchor compares values;
    an interval asks for more rows before it lets a version through."""
    holdout_days: Days = 3660
    """Only rows set aside in the last so many days."""
    min_rows: Annotated[int, Field(ge=2)] = 1000
    """Fewer holdout rows than this is ERROR. Source: house rule n >= 1000."""

    @property
    def group_columns(self) -> tuple[str, ...]:
        """Give the holdout's columns that part its rows, each once."""
        return tuple(dict.fromkeys((*self.fairness.attributes, *self.slices.columns)))
