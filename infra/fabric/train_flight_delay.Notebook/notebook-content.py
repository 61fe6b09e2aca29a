# Fabric notebook source

# METADATA ********************

# META {
# META   "kernel_info": {
# META     "name": "jupyter",
# META     "jupyter_kernel_name": "python3.11"
# META   },
# META   "dependencies": {
# META     "lakehouse": {
# META       "default_lakehouse": "b5a4c7d0-3f52-4d0e-8a6b-6e0f2c9d1a10",
# META       "default_lakehouse_name": "lh_retrain_loop",
# META       "default_lakehouse_workspace_id": "00000000-0000-0000-0000-000000000000",
# META       "known_lakehouses": [
# META         {
# META           "id": "b5a4c7d0-3f52-4d0e-8a6b-6e0f2c9d1a10"
# META         }
# META       ]
# META     }
# META   }
# META }

# MARKDOWN ********************

# # Train the arrival delay model
#
# Predicts minutes of arrival delay from what is known when the aircraft leaves the gate.

# PARAMETERS CELL ********************

# The pipeline overrides these; the defaults serve a run by hand.
run_id = ""
trigger_reason = "manual"
alert_id = ""
model = "flight-arrival-delay"
as_of = ""  # ISO 8601; empty means now
cost_center = "CC-AVIATION-OPS"
domain = "aviation"
intent = "retrain"

# METADATA ********************

# META {
# META   "language": "python",
# META   "language_group": "jupyter_python"
# META }

# MARKDOWN ********************

# ## Libraries

# CELL ********************

import importlib.metadata
import os
import subprocess
import sys

# What a model's files depend on: the versions that the app loads them with.
PINNED = ["deltalake==1.6.6", "scikit-learn==1.9.1", "skops==0.16.0"]
# Put in by the deployment, where there is one.
DEPLOYED = {
    "GIT_SHA": "git-sha-of-deployment",
    "GIT_BRANCH": "git-branch-of-deployment",
    "GIT_AUTHOR": "git-author-of-deployment",
    "GIT_PR_NUMBER": "git-pr-number-of-deployment",
}


def installed(requirement):
    name, _, version = requirement.partition("==")
    try:
        return importlib.metadata.version(name) == version
    except importlib.metadata.PackageNotFoundError:
        return False


# Python notebooks take no environment, so they bring their libraries up to date themselves;
# anywhere else that is the business of whoever runs them.
if os.path.isdir("/lakehouse/default"):
    lacking = [requirement for requirement in PINNED if not installed(requirement)]
    if lacking:
        subprocess.run([sys.executable, "-m", "pip", "install", "-q", *lacking], check=True)
for name, value in DEPLOYED.items():
    if not value.endswith("-of-deployment"):
        os.environ.setdefault(name, value)

# METADATA ********************

# META {
# META   "language": "python",
# META   "language_group": "jupyter_python"
# META }

# MARKDOWN ********************

# ## Tables, features and windows

# CELL ********************

import hashlib
import inspect
import platform
from datetime import UTC, datetime, timedelta
from importlib.metadata import version as version_of

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

FACTS = "lh_gold/fact_flights"
HOLDOUT = "lh_gold/flight_holdout"
PREDICTIONS = "lh_gold/flight_delay_predictions"
ID, TIMESTAMP, DAY = "flight_id", "scheduled_departure", "flight_date"
TARGET, PREDICTION = "arr_delay", "predicted_arr_delay"
NUMERIC = [
    "dep_delay",
    "distance",
    "sched_dep_minute",
    "sched_elapsed_minutes",
    "temp",
    "wind_speed",
    "precip",
    "visib",
]
CATEGORICAL = ["carrier", "origin", "dest"]
FEATURES = NUMERIC + CATEGORICAL
TASK = "regression"
TREES = {
    "max_iter": 300,
    "learning_rate": 0.08,
    "max_leaf_nodes": 15,
    "min_samples_leaf": 20,
    # A flight that leaves later does not arrive earlier: the first feature only pushes up.
    "monotonic_cst": [1] + [0] * (len(FEATURES) - 1),
    "random_state": 0,
}
LABEL_LAG = timedelta(days=1)
REFERENCE_WINDOW = timedelta(days=28)
BASELINE_WINDOW = timedelta(days=90)
VALIDATION_WINDOW = timedelta(days=14)
HOLDOUT_EVERY_DAYS = 4  # coprime to 7, so the days set aside cover every weekday alike
MIN_TRAINING_ROWS, MIN_HOLDOUT_ROWS = 20_000, 2_000
# What a run logs as parameters, too: whoever compares runs compares parameters.
LINEAGE = ["training_data_table", "training_data_version", "holdout_version", "git_sha"]
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


def locate():
    """Where the tables lie, and what opens them.

    Addressed by their URL: delta-rs cannot commit through the mounted folder.
    """
    root = os.environ.get("LAKEHOUSE_ROOT")
    if root:
        return root, {}
    import notebookutils

    context = notebookutils.runtime.context
    workspace, lakehouse = context["defaultLakehouseWorkspaceId"], context["defaultLakehouseId"]
    token = notebookutils.credentials.getToken("storage")
    return (
        f"abfss://{workspace}@onelake.dfs.fabric.microsoft.com/{lakehouse}/Tables",
        {"bearer_token": token, "use_fabric_endpoint": "true"},
    )


def open_table(name):
    try:
        return DeltaTable(f"{LAKEHOUSE}/{name}", storage_options=OPTIONS)
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

LAKEHOUSE, OPTIONS = locate()
# Each fit would start a run of its own where autologging is on, as it is in Fabric.
mlflow.autolog(disable=True)
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
    f"skops=={version_of('skops')}",
]


def version_tags():
    return {
        "retrain_run_id": run_id,
        "trigger_reason": trigger_reason,
        "alert_id": alert_id,
        "training_start": iso(training[TIMESTAMP].min()),
        "training_end": iso(training_end),
        "training_rows": str(len(training)),
        "training_data_table": FACTS.replace("/", "."),
        "training_data_version": str(facts_table.version()),
        "holdout_table": HOLDOUT.replace("/", "."),
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


def environment_lock():
    """Every installed distribution and its version, one a line."""
    found = {
        f"{each.metadata['Name'].lower().replace('_', '-')}=={each.version}"
        for each in importlib.metadata.distributions()
    }
    return "".join(f"{line}\n" for line in sorted(found))


def provenance():
    """What a run and its version carry beside the tags of the loop: what made the figures."""
    lock = environment_lock()
    return {
        "environment_lock_sha256": hashlib.sha256(lock.encode()).hexdigest(),
        "python_version": platform.python_version(),
        "pr_number": os.environ.get("GIT_PR_NUMBER", "none"),
    }


if version is None:
    tags = version_tags() | provenance()
    sample = inputs(training.tail(5))
    with mlflow.start_run(run_name=run_id, tags=tags):
        mlflow.log_params(
            {
                **TREES,
                "features": ",".join(FEATURES),
                "as_of": iso(cutoff),
                **{name: tags[name] for name in LINEAGE},
            }
        )
        mlflow.log_metrics(validation | {f"baseline_{k}": v for k, v in baseline.items()})
        mlflow.log_text(environment_lock(), "environment.lock.txt")
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
    if not DeltaTable.is_deltatable(f"{LAKEHOUSE}/{PREDICTIONS}", storage_options=OPTIONS):
        return False
    mine = [("model_version", "=", str(version.version)), (TIMESTAMP, "<", training_end)]
    return len(open_table(PREDICTIONS).to_pandas(columns=[ID], filters=mine)) > 0


LAKEHOUSE, OPTIONS = locate()  # anew: a token lives about an hour, and training takes its time
if already_backfilled():
    progress(1.0, "the reference window is already in the prediction log")
else:
    rows = facts[facts[TIMESTAMP] >= training_end - REFERENCE_WINDOW]
    predictor = mlflow.sklearn.load_model(f"models:/{model}/{version.version}")
    log = rows[[ID, TIMESTAMP, DAY, *FEATURES]].assign(
        **{PREDICTION: predictor.predict(inputs(rows))},
        model_version=str(version.version),
        scored_at=pd.Timestamp(cutoff),
        retrain_run_id=run_id,
    )
    # One commit: a reader sees the whole reference window or none of it.
    stamp = pd.ArrowDtype(pa.timestamp("us", tz="UTC"))
    arrow = pa.Table.from_pandas(
        log.astype({TIMESTAMP: stamp, "scored_at": stamp}), preserve_index=False
    )
    write_deltalake(
        f"{LAKEHOUSE}/{PREDICTIONS}",
        # without pandas' own metadata, which would carry this run's index into the table
        arrow.replace_schema_metadata(None),
        mode="append",
        partition_by=[DAY],
        schema_mode="merge",  # a log from before this column gets it
        storage_options=OPTIONS,
    )
    progress(1.0, f"{len(log)} reference predictions logged for version {version.version}")

# METADATA ********************

# META {
# META   "language": "python",
# META   "language_group": "jupyter_python"
# META }
