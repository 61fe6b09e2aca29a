"""The schema of every Delta table the app writes: names, types, nullability, meaning.

Pure data: no reading, no writing, no rows. ``docs/tables.md`` is generated from here. Tables are
only ever appended to, but for the columns a table names as updated; a column may be added at a
table's end and none is renamed or retyped, because other people's reports read them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from shared.domain.retention import CLASSES

DataType = Literal["STRING", "INT", "BIGINT", "DOUBLE", "BOOLEAN", "TIMESTAMP"]
"""Spark SQL's names; TIMESTAMP is microseconds in UTC."""


@dataclass(frozen=True)
class Column:
    """One column; ``required`` ones are NOT NULL."""

    name: str
    type: DataType
    meaning: str
    required: bool = False


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes:
        append_only: Delta itself refuses updates and deletes (``delta.appendOnly``).
        updated: columns whose values are changed in place; all others never are.
    """

    name: str
    about: str
    columns: tuple[Column, ...]
    append_only: bool = False
    updated: tuple[str, ...] = ()

    def column(self, name: str) -> Column | None:
        return next((column for column in self.columns if column.name == name), None)


_KEPT = ", ".join(f"`{each.name}` {each.days} days" for each in CLASSES)

DRIFT_METRICS = Table(
    "lh_gold.ml_drift_metrics",
    "One row a metric, feature and check. The first twelve columns are the drift notebook's.",
    (
        Column("run_id", "STRING", "The check that computed it.", required=True),
        Column("run_timestamp", "TIMESTAMP", "When the check ran.", required=True),
        Column("model_name", "STRING", "Name in models.yaml.", required=True),
        Column("model_version", "STRING", "The version whose rows were read.", required=True),
        Column("feature_name", "STRING", "A feature, or a `__name__` for others.", required=True),
        Column("metric_type", "STRING", "Such as PSI, KS or RMSE_DELTA_PCT.", required=True),
        Column("value", "DOUBLE", "The statistic."),
        Column("threshold", "DOUBLE", "What the value is compared with."),
        Column("status", "STRING", "The metric's own verdict.", required=True),
        Column("severity", "STRING", "The check's severity, on every row.", required=True),
        Column("reference_days", "BIGINT", "Length of the reference window.", required=True),
        Column("current_days", "BIGINT", "Length of the current window.", required=True),
        Column("n_reference", "BIGINT", "Rows in the reference window."),
        Column("n_current", "BIGINT", "Rows in the current window."),
        Column("p_value", "DOUBLE", "Of the metric's test."),
        Column("p_adjusted", "DOUBLE", "After Benjamini-Hochberg across the features."),
        Column("effect", "DOUBLE", "The effect size that the floor applies to."),
        Column("direction", "STRING", "`higher_is_worse` or `lower_is_worse`."),
        Column("window_start", "TIMESTAMP", "Start of the current window."),
        Column("window_end", "TIMESTAMP", "End of the current window, excluded."),
        Column("bins", "BIGINT", "Bins of PSI."),
        Column("epsilon", "DOUBLE", "Floor of a bin's share in PSI."),
        Column("note", "STRING", "What a reader must know about the figure."),
    ),
)

RETRAIN_TRIGGERS = Table(
    "lh_gold.ml_retrain_triggers",
    "One row a trigger that asked for a retrain; its status is updated in place as the run that "
    "answers it goes on. The columns are the drift notebook's.",
    (
        Column("trigger_id", "STRING", "Names the trigger.", required=True),
        Column("triggered_at", "TIMESTAMP", "When it was raised.", required=True),
        Column("model_name", "STRING", "Name in models.yaml.", required=True),
        Column("model_version", "STRING", "The version that drifted.", required=True),
        Column("severity", "STRING", "P1, P2, P3 or HEALTHY.", required=True),
        Column("reasons", "STRING", "Codes and texts, joined with ` | `.", required=True),
        Column("drift_run_id", "STRING", "run_id in ml_drift_metrics.", required=True),
        Column(
            "status",
            "STRING",
            "PENDING, STARTED, or its end: STAGED, REJECTED, FAILED or SKIPPED.",
            required=True,
        ),
    ),
    updated=("status",),
)

GATE_RESULTS = Table(
    "lh_gold.ml_gate_results",
    "One row a gate and judgement of a candidate.",
    (
        Column("run_id", "STRING", "The run that was judged.", required=True),
        Column("model_name", "STRING", "Name in models.yaml.", required=True),
        Column("model_version", "STRING", "The candidate.", required=True),
        Column("champion_version", "STRING", "What it was compared with; null: none."),
        Column("gate", "STRING", "The gate's name.", required=True),
        Column("verdict", "STRING", "PASS, FAIL, SKIP or ERROR.", required=True),
        Column("value", "DOUBLE", "What was measured."),
        Column("threshold", "DOUBLE", "What it had to reach or stay under."),
        Column("operator", "STRING", "How value and threshold compare, such as `>=`."),
        Column("n", "BIGINT", "Rows or calls behind the value."),
        Column("reason", "STRING", "One sentence for a person."),
        Column("hint", "STRING", "What to look at next."),
        Column("source", "STRING", "Where the threshold comes from."),
        Column("duration_ms", "DOUBLE", "Time the gate took."),
        Column("details_json", "STRING", "The figures behind the value."),
        Column("judged_at", "TIMESTAMP", "When it was judged.", required=True),
    ),
)

FAIRNESS_AUDIT = Table(
    "lh_gold.ml_fairness_audit",
    "One row an attribute, measure and judgement of a candidate, written with ml_gate_results. It "
    "begins with the fairness notebook's columns.",
    (
        Column(
            "audit_id",
            "STRING",
            "The judgement: `evidence` in context_json of ml_promotion_audit.",
            required=True,
        ),
        Column("model_name", "STRING", "Name in models.yaml.", required=True),
        Column("model_version", "STRING", "The candidate.", required=True),
        Column("audit_ts", "TIMESTAMP", "When it was judged.", required=True),
        Column("attribute", "STRING", "Column of the holdout that names the group.", required=True),
        Column("metric_name", "STRING", "Such as `equalized odds difference`.", required=True),
        Column("metric_value", "DOUBLE", "What was measured; null: nothing could be."),
        Column("threshold", "DOUBLE", "What it was held against.", required=True),
        Column("operator", "STRING", "How they compare: `>=` or `<=`.", required=True),
        Column("pass_fail", "STRING", "PASS, FAIL, or ERROR where not measured.", required=True),
        Column("run_id", "STRING", "The run that was judged.", required=True),
        Column("n", "BIGINT", "Rows of the groups that were large enough."),
    ),
)

PROMOTION_AUDIT = Table(
    "lh_gold.ml_promotion_audit",
    "The ledger's projection: one row a decision or act. It begins with the columns of the three "
    "shapes in use before (promotion notebook, tutorial, fairness notebook), so that their readers "
    "keep working; where two shapes name the same thing differently, both columns are there.",
    (
        Column("event_timestamp", "TIMESTAMP", "Same as event_ts."),
        Column("model_name", "STRING", "Name in models.yaml."),
        Column("model_version", "STRING", "The version whose role changes."),
        Column("promoted", "BOOLEAN", "The version was given a higher role."),
        Column("from_stage", "STRING", "Stage before; `None` as a text where it had none."),
        Column("to_stage", "STRING", "Stage after."),
        Column("reason", "STRING", "One sentence for a person."),
        Column("approver", "STRING", "Who approved."),
        Column("git_sha", "STRING", "The deployed commit."),
        Column("git_branch", "STRING", "The deployed branch."),
        Column("data_version", "BIGINT", "Delta version of the training data."),
        Column("baseline_r2", "DOUBLE", "R2 of the champion."),
        Column("challenger_r2", "DOUBLE", "R2 of the challenger."),
        Column("gate1_passed", "BOOLEAN", "The performance gate passed."),
        Column("gate2_passed", "BOOLEAN", "The holdout gate passed."),
        Column("gate3_passed", "BOOLEAN", "The calibration gate passed."),
        Column("consecutive_wins", "BIGINT", "The challenger's streak."),
        Column("consecutive_wins_required", "BIGINT", "The streak that promotes."),
        Column("_audit_inserted_at", "TIMESTAMP", "When the row was projected."),
        Column("event_id", "STRING", "Same as audit_id."),
        Column("event_time", "TIMESTAMP", "Same as event_ts."),
        Column("version", "INT", "model_version as a number, where it is one."),
        Column("actor", "STRING", "Same as subject."),
        Column("rationale", "STRING", "Same as reason."),
        Column("audit_id", "STRING", "Chain and sequence.", required=True),
        Column("audit_ts", "TIMESTAMP", "Same as event_ts."),
        Column("block_promotion", "STRING", "`True` or `False`, as texts."),
        Column("failed_attributes", "STRING", "Attributes that failed the fairness gate."),
        Column("fairness_thresholds_json", "STRING", "The fairness gate's thresholds."),
        Column("chain", "STRING", "The ledger's chain: one a model.", required=True),
        Column("sequence", "BIGINT", "Place in the chain, from 1.", required=True),
        Column("event_ts", "TIMESTAMP", "When it happened.", required=True),
        Column("received_ts", "TIMESTAMP", "When it was written; not hashed.", required=True),
        Column("subject", "STRING", "Who acted.", required=True),
        Column(
            "subject_type",
            "STRING",
            "user, service_principal, managed_identity or system.",
            required=True,
        ),
        Column("action", "STRING", "A canonical verb, such as `model.staged`.", required=True),
        Column("resource", "STRING", "What was acted on.", required=True),
        Column("resource_type", "STRING", "Its kind.", required=True),
        Column("outcome", "STRING", "intent, success, failure, denied or partial.", required=True),
        Column("run_id", "STRING", "The run it belongs to."),
        Column("context_json", "STRING", "The numbers behind the decision."),
        Column("hash_prev", "STRING", "hash_self of the row before.", required=True),
        Column("hash_self", "STRING", "SHA-256 of the row and hash_prev.", required=True),
        Column("retention_class", "STRING", f"Kept at least: {_KEPT}.", required=True),
        Column("schema_version", "INT", "Of the hashed document.", required=True),
    ),
    append_only=True,
)

CHAMPION_CHALLENGER = Table(
    "lh_gold.ml_champion_challenger",
    "One row a day on which champion and challenger answered for the same rows. It begins with the "
    "promotion notebook's columns.",
    (
        Column("evaluation_window", "TIMESTAMP", "Same as window_start."),
        Column("model_family", "STRING", "Name in models.yaml."),
        Column("champion_name", "STRING", "The registered model."),
        Column("champion_version", "STRING", "The version that served."),
        Column("champion_r2", "DOUBLE", "R2; null for a classification."),
        Column("champion_rmse", "DOUBLE", "RMSE; null for a classification."),
        Column("challenger_name", "STRING", "The registered model."),
        Column("challenger_version", "STRING", "The version that challenges."),
        Column("challenger_r2", "DOUBLE", "R2; null for a classification."),
        Column("challenger_rmse", "DOUBLE", "RMSE; null for a classification."),
        Column("challenger_won", "BOOLEAN", "Strictly better, on enough rows."),
        Column("rows_scored", "BIGINT", "Rows with an actual."),
        Column("data_version", "BIGINT", "Delta version of the challenger's training data."),
        Column("git_sha", "STRING", "The deployed commit."),
        Column("run_id", "STRING", "The run whose version challenges.", required=True),
        Column("window_start", "TIMESTAMP", "Start of the day, UTC.", required=True),
        Column("window_end", "TIMESTAMP", "End of the day, excluded.", required=True),
        Column("n", "BIGINT", "Same as rows_scored."),
        Column("metric", "STRING", "rmse or auc: what the day is won by.", required=True),
        Column("champion_auc", "DOUBLE", "AUC; null for a regression."),
        Column("challenger_auc", "DOUBLE", "AUC; null for a regression."),
        Column("difference", "DOUBLE", "Champion's mean squared error less the challenger's."),
        Column("difference_error", "DOUBLE", "Standard error of difference."),
        Column("difference_low", "DOUBLE", "Lower end of its 95 % interval."),
        Column("difference_high", "DOUBLE", "Upper end."),
        Column("p_value", "DOUBLE", "Of no difference, two-sided."),
        Column("reason", "STRING", "Why the day is won or not.", required=True),
    ),
)

PROFILE_REQUESTS = Table(
    "lh_gold.ml_profile_requests",
    "What the Spark notebook is asked to count: one row a feature, and one a cut or category.",
    (
        Column("request_id", "STRING", "Names what is counted on what.", required=True),
        Column("requested_at", "TIMESTAMP", "When it was first asked for.", required=True),
        Column("model_name", "STRING", "Name in models.yaml.", required=True),
        Column("feature", "STRING", "A column; empty: the prediction.", required=True),
        Column("kind", "STRING", "numeric or categorical.", required=True),
        Column("place", "BIGINT", "Of the cut or category; -1: the feature.", required=True),
        Column("cut", "DOUBLE", "A numeric feature's cut."),
        Column("category", "STRING", "A categorical feature's category."),
    ),
)

FEATURE_PROFILES = Table(
    "lh_gold.ml_feature_profiles",
    "What the Spark notebook counted, and nobody else writes: one row a bucket of a feature. All "
    "rows of an attempt come in one commit; of two attempts the later one counts.",
    (
        Column("request_id", "STRING", "The request in ml_profile_requests."),
        Column("attempt", "STRING", "The notebook's run."),
        Column("made_at", "TIMESTAMP", "When it began to read."),
        Column("day", "STRING", "ISO date in UTC; empty: a reference."),
        Column("feature", "STRING", "A column; empty: the prediction."),
        Column("bucket", "BIGINT", "From 0; -1 missing, -2 +inf, -3 -inf, -4 unseen, -5 a name."),
        Column("category", "STRING", "A category's name; null for the others."),
        Column("n", "BIGINT", "Rows."),
        Column("s", "DOUBLE", "Sum of the values."),
        Column("q", "DOUBLE", "Sum of their squared distances from the centre."),
        Column("lo", "DOUBLE", "The least."),
        Column("hi", "DOUBLE", "The largest."),
        Column("centre", "DOUBLE", "Near the values, so that q keeps its digits."),
        Column("cut", "DOUBLE", "Where the bucket begins; of a reference."),
        Column("bin_edge", "BOOLEAN", "The cut bounds a PSI bin; of a reference."),
        Column("odd", "STRING", "What is wrong with the column; on its row of the missing."),
    ),
)

MODEL_CARDS = Table(
    "lh_gold.ml_model_cards",
    "One row a model card: a version became the champion. The first six columns are the fairness "
    "notebook's.",
    (
        Column("model_name", "STRING", "Name in models.yaml.", required=True),
        Column("model_version", "STRING", "The version the card is about.", required=True),
        Column("audit_id", "STRING", "The intent to promote in ml_promotion_audit.", required=True),
        Column("audit_ts", "TIMESTAMP", "When that was written.", required=True),
        Column("rai_risk_tier", "STRING", "card.risk_tier in models.yaml; null: not declared."),
        Column("model_card_json", "STRING", "The whole card.", required=True),
        Column("run_id", "STRING", "The run that promoted the version.", required=True),
        Column("card_sha256", "STRING", "Of model_card_json; a tag of the version.", required=True),
        Column("undeclared", "STRING", "What models.yaml does not say, by commas; empty: nothing."),
        Column("schema_version", "INT", "Of the card.", required=True),
    ),
)

TABLES: Mapping[str, Table] = {
    table.name: table
    for table in (
        *(DRIFT_METRICS, RETRAIN_TRIGGERS, GATE_RESULTS, PROMOTION_AUDIT),
        CHAMPION_CHALLENGER,
        *(PROFILE_REQUESTS, FEATURE_PROFILES),
        FAIRNESS_AUDIT,
        MODEL_CARDS,
    )
}
