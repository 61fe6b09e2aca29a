# Fabric notebook source

# METADATA ********************

# META {
# META   "kernel_info": {
# META     "name": "jupyter",
# META     "jupyter_kernel_name": "python3.11"
# META   },
# META   "dependencies": {}
# META }

# MARKDOWN ********************

# # Train the slot revenue model
#
# Predicts the daily revenue of a slot machine from its play of the day.

# PARAMETERS CELL ********************

# The pipeline overrides these; the defaults serve a run by hand.
run_id = ""
trigger_reason = "manual"
alert_id = ""
model = "casino-slot-revenue-forecast-gbt"
as_of = ""  # ISO 8601; empty means now
cost_center = "CC-CASINO-ANALYTICS"
domain = "casino"
intent = "retrain"

# METADATA ********************

# META {
# META   "language": "python",
# META   "language_group": "jupyter_python"
# META }

# MARKDOWN ********************

# ## Tables, features and windows

# CELL ********************

import inspect
import os
from datetime import UTC, datetime, timedelta

# Before scikit-learn loads: on a busy machine, more threads than free cores spin on each other
# and make a fit of a second take a minute.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import mlflow
import numpy as np
import pandas as pd
import pyarrow as pa
import sklearn
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import TableNotFoundError
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder

LAKEHOUSE = os.environ.get("LAKEHOUSE_ROOT", "/lakehouse/default/Tables")
FACTS = "lh_gold/fact_daily_slot_revenue"
HOLDOUT = "lh_gold/slot_revenue_holdout"
PREDICTIONS = "lh_gold/slot_revenue_forecasts"
ID, TIMESTAMP, DAY = "record_id", "txn_date", "business_date"
TARGET, PREDICTION = "daily_revenue", "predicted_revenue"
NUMERIC = [
    "coin_in",
    "coin_out",
    "handle_pulls",
    "avg_bet",
    "session_minutes",
    "payout_ratio",
    "unique_players",
]
CATEGORICAL = ["game_theme", "denomination_tier", "floor_zone"]
FEATURES = NUMERIC + CATEGORICAL
TASK = "regression"
TREES = {
    "max_iter": 120,
    "learning_rate": 0.08,
    "max_leaf_nodes": 8,
    "min_samples_leaf": 60,
    "random_state": 0,
}
LABEL_LAG = timedelta(days=1)
REFERENCE_WINDOW = timedelta(days=14)
BASELINE_WINDOW = timedelta(days=28)
VALIDATION_WINDOW = timedelta(days=7)
HOLDOUT_EVERY_DAYS = 4  # coprime to 7, so the days set aside cover every weekday alike
MIN_TRAINING_ROWS, MIN_HOLDOUT_ROWS = 5_000, 1_000
TRUSTED_TYPES = [
    "functools.partial",  # the trees hold their check of categories as a partial of the next
    "sklearn.utils.validation.check_array",
    "sklearn._loss.link.IdentityLink",
    "sklearn._loss.link.Interval",
    "sklearn._loss.loss.HalfSquaredError",
    "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
]


def progress(share, text):
    print(f"PROGRESS {share:.2f} {text}", flush=True)


def iso(moment):
    return moment.astimezone(UTC).isoformat()


def open_table(name):
    try:
        return DeltaTable(f"{LAKEHOUSE}/{name}")
    except TableNotFoundError as error:
        raise RuntimeError(f"the table {name} does not exist under {LAKEHOUSE}") from error

# METADATA ********************

# META {
# META   "language": "python",
# META   "language_group": "jupyter_python"
# META }

# MARKDOWN ********************

# ## One version a run
#
# A repeated run finds the version it registered before and only finishes what is missing.

# CELL ********************

mlflow.set_experiment(f"{domain}-{TASK}")
client = mlflow.MlflowClient()
run_id = run_id or f"manual-{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
cutoff = datetime.fromisoformat(as_of) if as_of else datetime.now(UTC)
if cutoff.tzinfo is None:
    raise ValueError(f"as_of must carry its offset from UTC, got {as_of!r}")


def version_of_this_run():
    """The version an earlier attempt of the same run registered, if it got that far."""
    versions = client.search_model_versions(f"name='{model}'")
    return next((v for v in versions if v.tags.get("retrain_run_id") == run_id), None)


version = version_of_this_run()
if version is not None:
    # The rows are the earlier attempt's, so that its backfill is finished, not begun anew.
    training_end = datetime.fromisoformat(version.tags["training_end"])
    progress(0.1, f"run {run_id} already registered version {version.version}")
else:
    training_end = cutoff - LABEL_LAG

# METADATA ********************

# META {
# META   "language": "python",
# META   "language_group": "jupyter_python"
# META }

# MARKDOWN ********************

# ## Data to date, without the days set aside

# CELL ********************

facts_table, holdout_table = open_table(FACTS), open_table(HOLDOUT)
known = [(TIMESTAMP, "<", training_end)]
columns = [ID, TIMESTAMP, DAY, *FEATURES, TARGET]
facts = facts_table.to_pandas(columns=columns, filters=known)
holdout = holdout_table.to_pandas(columns=columns, filters=known).dropna(subset=[TARGET])
held_days = holdout_table.to_pandas(columns=[DAY])[DAY].unique()

# Twice on purpose: the rule keeps out a held day the table has not received yet, the table
# keeps out a day that was set aside under an earlier rule.
ordinals = {day: datetime.fromisoformat(day).toordinal() for day in facts[DAY].unique()}
held = facts[DAY].map(ordinals).mod(HOLDOUT_EVERY_DAYS).eq(0) | facts[DAY].isin(held_days)
training = facts[~held].dropna(subset=[TARGET]).sort_values(TIMESTAMP)
baseline_rows = holdout[holdout[TIMESTAMP] >= training_end - BASELINE_WINDOW]

for name, rows, least in (
    ("training", training, MIN_TRAINING_ROWS),
    ("holdout", baseline_rows, MIN_HOLDOUT_ROWS),
):
    if len(rows) < least:
        raise RuntimeError(f"{len(rows)} {name} rows before {iso(training_end)}, need {least}")
progress(0.2, f"{len(training)} training rows, {len(baseline_rows)} holdout rows")

# METADATA ********************

# META {
# META   "language": "python",
# META   "language_group": "jupyter_python"
# META }

# MARKDOWN ********************

# ## Model

# CELL ********************

def inputs(rows):
    return rows[FEATURES].astype({name: "float64" for name in NUMERIC})


def new_model():
    """Preprocessing is part of the model: it is served the columns as the table has them."""
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan)
    columns = ColumnTransformer(
        [("numeric", "passthrough", NUMERIC), ("categorical", encoder, CATEGORICAL)],
        verbose_feature_names_out=False,
    )
    categorical = list(range(len(NUMERIC), len(FEATURES)))
    trees = HistGradientBoostingRegressor(categorical_features=categorical, **TREES)
    return Pipeline([("columns", columns), ("trees", trees)])


def calibration_error(actual, predicted):
    """The mean gap between said and seen in ten bins of the prediction, over the mean actual."""
    bins = pd.qcut(predicted, 10, labels=False, duplicates="drop")
    gaps = np.bincount(bins, weights=predicted - actual)
    return float(np.abs(gaps).sum() / np.abs(actual).sum())


def scores(fitted, rows):
    predicted = fitted.predict(inputs(rows))
    return {
        "rmse": float(root_mean_squared_error(rows[TARGET], predicted)),
        "mae": float(mean_absolute_error(rows[TARGET], predicted)),
        "r2": float(r2_score(rows[TARGET], predicted)),
        "ece": calibration_error(rows[TARGET].to_numpy(), predicted),
    }


if version is None:
    # The newest training days judge the recipe, then the model is fitted again on all of them.
    recent = training[TIMESTAMP] >= training_end - VALIDATION_WINDOW
    progress(0.3, "fitting on all but the newest days")
    earlier = training[~recent]
    trial = new_model().fit(inputs(earlier), earlier[TARGET])
    validation = scores(trial, training[recent])
    progress(0.5, f"validation RMSE {validation['rmse']:.2f}, fitting on everything")
    fitted = new_model().fit(inputs(training), training[TARGET])
    baseline = scores(fitted, baseline_rows)
    progress(0.7, f"holdout RMSE {baseline['rmse']:.2f}, R2 {baseline['r2']:.3f}")

# METADATA ********************

# META {
# META   "language": "python",
# META   "language_group": "jupyter_python"
# META }

# MARKDOWN ********************

# ## Log and register

# CELL ********************

def serialisation():
    """MLflow 3 stores scikit-learn models with skops, which loads only types named here."""
    if "skops_trusted_types" not in inspect.signature(mlflow.sklearn.log_model).parameters:
        return {}
    return {"serialization_format": "skops", "skops_trusted_types": TRUSTED_TYPES}


REQUIREMENTS = [
    f"scikit-learn=={sklearn.__version__}",
    f"numpy=={np.__version__}",
    f"pandas=={pd.__version__}",
    "skops",
]


def version_tags():
    return {
        "retrain_run_id": run_id,
        "trigger_reason": trigger_reason,
        "alert_id": alert_id,
        "training_start": iso(training[TIMESTAMP].min()),
        "training_end": iso(training_end),
        "training_rows": str(len(training)),
        "training_data_table": FACTS,
        "training_data_version": str(facts_table.version()),
        "holdout_table": HOLDOUT,
        "holdout_version": str(holdout_table.version()),
        "holdout_rule": f"{DAY}: proleptic ordinal divisible by {HOLDOUT_EVERY_DAYS}",
        "baseline_rmse": repr(baseline["rmse"]),
        "baseline_r2": repr(baseline["r2"]),
        "baseline_ece": repr(baseline["ece"]),
        "requirements": "\n".join(REQUIREMENTS),
        "git_sha": os.environ.get("GIT_SHA", "unknown"),
        "branch": os.environ.get("GIT_BRANCH", "main"),
        "author": os.environ.get("GIT_AUTHOR", "retrain-loop"),
        "intent": intent,
        "domain": domain,
        "cost_center": cost_center,
        "task": TASK,
    }


if version is None:
    tags = version_tags()
    sample = inputs(training.tail(5))
    with mlflow.start_run(run_name=run_id, tags=tags):
        mlflow.log_params({**TREES, "features": ",".join(FEATURES), "as_of": iso(cutoff)})
        mlflow.log_metrics(validation | {f"baseline_{k}": v for k, v in baseline.items()})
        logged = mlflow.sklearn.log_model(
            fitted,
            "model",
            signature=mlflow.models.infer_signature(sample, fitted.predict(sample)),
            input_example=sample,
            pip_requirements=REQUIREMENTS,
            **serialisation(),
        )
    # The tags are part of the creation, so no crash leaves a version that no run owns.
    version = mlflow.register_model(logged.model_uri, model, tags=tags)
    progress(0.85, f"registered {model} version {version.version}")

# METADATA ********************

# META {
# META   "language": "python",
# META   "language_group": "jupyter_python"
# META }

# MARKDOWN ********************

# ## The drift reference
#
# Drift of a version is measured against what that version saw and predicted just before its
# training end, so its predictions for that window go into the log before it serves.

# CELL ********************

def already_backfilled():
    """True when the log has rows of this version before its training end: ours alone."""
    if not DeltaTable.is_deltatable(f"{LAKEHOUSE}/{PREDICTIONS}"):
        return False
    mine = [("model_version", "=", str(version.version)), (TIMESTAMP, "<", training_end)]
    return len(open_table(PREDICTIONS).to_pandas(columns=[ID], filters=mine)) > 0


if already_backfilled():
    progress(1.0, "the reference window is already in the prediction log")
else:
    rows = facts[facts[TIMESTAMP] >= training_end - REFERENCE_WINDOW]
    predictor = mlflow.sklearn.load_model(f"models:/{model}/{version.version}")
    log = rows[[ID, TIMESTAMP, DAY, *FEATURES]].assign(
        **{PREDICTION: predictor.predict(inputs(rows))},
        model_version=str(version.version),
        scored_at=pd.Timestamp(cutoff),
    )
    # One commit: a reader sees the whole reference window or none of it.
    stamp = pd.ArrowDtype(pa.timestamp("us", tz="UTC"))
    arrow = pa.Table.from_pandas(
        log.astype({TIMESTAMP: stamp, "scored_at": stamp}), preserve_index=False
    )
    write_deltalake(f"{LAKEHOUSE}/{PREDICTIONS}", arrow, mode="append", partition_by=[DAY])
    progress(1.0, f"{len(log)} reference predictions logged for version {version.version}")

# METADATA ********************

# META {
# META   "language": "python",
# META   "language_group": "jupyter_python"
# META }
