"""The section ``drift`` of a model: every threshold of its drift check, with unit and source."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from shared.sections.base import Column, Fraction, Section


class Bands(Section):
    """Three steps of a signal that is graded: P3 from the first, P2 and P1 from the others."""

    moderate: Annotated[float, Field(ge=0)]
    """P3 from here."""
    significant: Annotated[float, Field(ge=0)]
    """P2 from here; the floor of a finding."""
    severe: Annotated[float, Field(ge=0)]
    """P1 from here."""

    @property
    def steps(self) -> tuple[float, float, float]:
        return self.moderate, self.significant, self.severe

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.moderate < self.significant < self.severe:
            raise ValueError("moderate < significant < severe must hold")
        return self


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
    distance_floor: Fraction = 0.10
    """Jensen-Shannon distance, and Wasserstein in deviations, that count as DRIFT. Source: the
    defaults of Evidently."""
    missing_change: Fraction = 0.05
    """Change of the missing rate, absolute share, that matters. House rule."""
    infinite_change: Fraction = 0.001
    """Change of the share of infinite values that matters: there should be none. House rule."""
    unseen_share: Fraction = 0.01
    """Share of rows with an unknown category that matters. House rule, as for the two below."""
    vanished_share: Fraction = 0.01
    """Share of the reference that a category must have had for its absence to matter."""
    outside_share: Fraction = 0.01
    """Share of values outside the reference's range that matters."""
    multi_feature: Annotated[int, Field(ge=2)] = 3
    """Inputs with a significant shift that make it MULTI_FEATURE_DRIFT. Source: drift notebook; a
    severe shift counts here too."""
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.01
    """False-finding rate across the features, after Benjamini-Hochberg. Source: drift notebook."""
    rmse_increase: Annotated[float, Field(gt=0)] = 0.10
    """Relative growth of RMSE over the baseline. Source: drift notebook (0.10)."""
    mape_increase: Annotated[float, Field(gt=0)] = 0.05
    """Growth of MAPE over the baseline, in absolute points. Source: drift notebook (0.05)."""
    auc_decrease: Annotated[float, Field(gt=0)] = 0.05
    """Fall of AUC below the baseline, relative. Source: severity matrix, P2."""
    auc_moderate: Annotated[float, Field(gt=0)] = 0.02
    """The same fall from which it is P3. Source: severity matrix."""
    auc_severe: Annotated[float, Field(gt=0)] = 0.10
    """The same fall from which it is P1. Source: severity matrix."""
    accuracy_decrease: Annotated[float, Field(gt=0)] = 0.05
    """Fall of accuracy below the baseline, absolute. House rule, like AUC's."""
    brier_increase: Annotated[float, Field(gt=0)] = 0.05
    """Growth of the Brier score over the baseline, absolute. House rule, like MAPE's."""
    scored_rows: Annotated[int, Field(ge=30)] = 100
    """Rows with an actual below which a mean error is not judged: the normal approximation."""
    calibration: Bands = Bands(moderate=0.05, significant=0.10, severe=0.15)
    """Expected calibration error above the baseline's. Source: severity matrix."""
    calibration_bins: Annotated[int, Field(ge=2, le=100)] = 10
    """Quantile bins of the prediction. Source: MLOps anchor, gate 5."""
    volume_drop: Bands = Bands(moderate=0.10, significant=0.25, severe=0.50)
    """Fall of the rows a day below the reference's, relative. Source: severity matrix."""
    freshness_hours: Annotated[float, Field(gt=0)] = 24.0
    """Hours without a row after which what is served is stale. House rule: a daily check."""
    endpoint_p95_ms: Annotated[float, Field(gt=0)] = 100.0
    """95th percentile of the online endpoint's durations that is told, milliseconds. Source: MLOps
    anchor, gate 4 bounds the 99th by it, so the 95th all the more."""
    endpoint_p99_ms: Annotated[float, Field(gt=0)] = 100.0
    """99th percentile of the same, milliseconds. Source: MLOps anchor, gate 4."""
    endpoint_error_rate: Fraction = 0.01
    """Share of the endpoint's requests not answered well. Source: MLOps anchor, rollback at 1 %."""
    endpoint_request_drop: Fraction = 0.50
    """Fall of the endpoint's requests below the window before. Source: MLOps anchor, serving."""
    importance: bool = False
    """Whether the shift of the features' importance is computed, which reads rows of both sides
    with their actuals. It is advice: it never decides alone."""
    importance_floor: Fraction = 0.70
    """Spearman's rho below which the importance has shifted. Source: drift notebook."""
    importance_rows: Annotated[int, Field(ge=100, le=100_000)] = 5000
    """Most rows of either side that the importance is computed from. Source: drift notebook."""
    parity_attributes: tuple[Column, ...] = ()
    """Columns of the predictions table that name a group: the parity between them is watched."""
    parity_increase: Fraction = 0.10
    """Growth of the parity difference over the reference's. Source: fairness notebook, 0.10."""
    parity_group: Annotated[int, Field(ge=1)] = 30
    """Groups with fewer rows are left out and named. Source: gates.fairness.min_group."""
    positive_above: float = 0.5
    """A prediction above this counts as the favourable outcome, and as the answer yes."""
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
