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

# # Compare champion and challenger
#
# For each finished day both versions answer for the rows that the champion served, from the features
# alone, and one row of figures is appended. The app does the same by its timer; this is for days
# whose rows are too many for a worker.

# PARAMETERS CELL ********************

# The pipeline overrides these.
run_id = ""  # of the retrain whose version challenges
model = ""
task = "regression"  # or classification
champion_version = ""
challenger_version = ""
first_day = ""  # ISO dates, UTC
last_day = ""
as_of = ""  # ISO 8601; empty means now: actuals known then count
predictions = ""  # tables, as lakehouse schema/table
actuals = ""
id_column = ""
timestamp_column = ""
actual_column = ""
actual_timestamp_column = ""  # empty: an id has one actual
min_rows = 100

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

# ## Tables

# CELL ********************

import math
from datetime import UTC, date, datetime, time, timedelta

# Before scikit-learn loads: on a busy machine, more threads than free cores spin on each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import mlflow
import numpy as np
import pandas as pd
import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError, TableNotFoundError
from sklearn.metrics import r2_score, roc_auc_score, root_mean_squared_error

COMPARISONS = "lh_gold/ml_champion_challenger"
Z95 = 1.959963984540054  # standard deviations of a two-sided 95 % interval


def progress(share, text):
    print(f"PROGRESS {share:.2f} {text}", flush=True)


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


LAKEHOUSE, OPTIONS = locate()


def open_table(name):
    try:
        return DeltaTable(f"{LAKEHOUSE}/{name}", storage_options=OPTIONS)
    except TableNotFoundError as error:
        raise RuntimeError(f"the table {name} does not exist under {LAKEHOUSE}") from error


if task not in {"regression", "classification"}:
    raise ValueError(f"task is regression or classification, got {task!r}")
moment = datetime.fromisoformat(as_of) if as_of else datetime.now(UTC)
if moment.tzinfo is None:
    raise ValueError(f"as_of must carry its offset from UTC, got {as_of!r}")
start, end = date.fromisoformat(first_day), date.fromisoformat(last_day)
if datetime.combine(end + timedelta(days=1), time(), UTC) > moment:
    raise ValueError(f"{end} is not over at {moment.isoformat()}")

# METADATA ********************

# META {
# META   "language": "python",
# META   "language_group": "jupyter_python"
# META }

# MARKDOWN ********************

# ## The rows of a day

# CELL ********************

client = mlflow.MlflowClient()
sides = {
    "champion": client.get_model_version(model, champion_version),
    "challenger": client.get_model_version(model, challenger_version),
}
if sides["challenger"].tags.get("retrain_run_id") != run_id:
    raise RuntimeError(f"version {challenger_version} was not made by run {run_id!r}")
predictors = {
    side: mlflow.pyfunc.load_model(f"models:/{model}/{version.version}")
    for side, version in sides.items()
}
served_log, actuals_table = open_table(predictions), open_table(actuals)


def midnight(day):
    return datetime.combine(day, time(), UTC)


def answers(side, rows):
    schema = predictors[side].metadata.get_input_schema()
    numbers = [each.name for each in schema.inputs if each.type.name == "double"]
    features = rows[schema.input_names()].astype(dict.fromkeys(numbers, "float64"))
    return np.asarray(predictors[side].predict(features), dtype="float64").reshape(-1)


def served(day):
    """What the champion served on a UTC day, of an id the last, with the actuals known by now."""
    mine = [
        ("model_version", "=", champion_version),
        (timestamp_column, ">=", midnight(day)),
        (timestamp_column, "<", midnight(day + timedelta(days=1))),
    ]
    rows = served_log.to_pandas(filters=mine).sort_values([timestamp_column, id_column])
    rows = rows.drop_duplicates(id_column, keep="last")
    if rows.empty:
        return rows.assign(actual=[])
    near = [(id_column, ">=", rows[id_column].min()), (id_column, "<=", rows[id_column].max())]
    known = actuals_table.to_pandas(filters=near)
    if actual_timestamp_column:
        known = known[known[actual_timestamp_column] <= pd.Timestamp(moment)]
        known = known.sort_values(actual_timestamp_column)
    known = known.drop_duplicates(id_column, keep="last").set_index(id_column)[actual_column]
    return rows.assign(actual=rows[id_column].map(known).astype("float64"))

# METADATA ********************

# META {
# META   "language": "python",
# META   "language_group": "jupyter_python"
# META }

# MARKDOWN ********************

# ## Figures

# CELL ********************

def fault(actual, given):
    """Why a day cannot be compared, or nothing."""
    if len(actual) < min_rows:
        return f"{len(actual)} rows with an actual, {min_rows} are needed"
    for side, values in given.items():
        bad = int(np.count_nonzero(~np.isfinite(values)))
        if bad:
            return f"{bad} of {len(actual)} answers of the {side} are not finite numbers"
    values = np.unique(actual)
    if values.size == 1:
        return f"every actual is {values[0]:.4g}: nothing can be told apart"
    if task == "classification" and values.tolist() != [0.0, 1.0]:
        return f"the actuals of a classification are 0 and 1, found {values[:3].tolist()}"
    return ""


def figures(actual, values):
    if task == "classification":
        return {"auc": float(roc_auc_score(actual, values))}
    return {
        "rmse": float(root_mean_squared_error(actual, values)),
        "r2": float(r2_score(actual, values)),
    }


def compared(actual, given):
    """The day's figures: the app's, from its `domain/champion.py`. A test holds them together."""
    found = {side: figures(actual, values) for side, values in given.items()}
    name, sign = ("auc", 1) if task == "classification" else ("rmse", -1)
    mine, other = found["challenger"][name], found["champion"][name]
    ahead = sign * (mine - other)
    word = "wins" if ahead > 0 else "ties" if ahead == 0 else "loses"
    losses = (actual - given["champion"]) ** 2 - (actual - given["challenger"]) ** 2
    mean, error = float(losses.mean()), float(losses.std(ddof=1) / math.sqrt(losses.size))
    p_value = math.erfc(abs(mean / error) / math.sqrt(2)) if error else float(mean == 0)
    return {
        **{f"{side}_{key}": value for side in found for key, value in found[side].items()},
        "challenger_won": ahead > 0,
        "difference": mean,
        "difference_error": error,
        "difference_low": mean - Z95 * error,
        "difference_high": mean + Z95 * error,
        "p_value": p_value,
        "reason": f"the challenger {word}: {name.upper()} {mine:.6g} against {other:.6g}",
    }


def comparison(day):
    rows = served(day)
    if rows.empty:
        return {"n": 0, "challenger_won": False, "reason": "no rows were served"}
    known = np.isfinite(rows["actual"].to_numpy())
    actual = rows["actual"].to_numpy()[known]
    given = {side: answers(side, rows)[known] for side in sides}
    wrong = fault(actual, given)
    if wrong:
        return {"n": len(actual), "challenger_won": False, "reason": wrong}
    return {"n": len(actual), **compared(actual, given)}


def row(day):
    found = comparison(day)
    data = sides["challenger"].tags.get("training_data_version", "")
    return {
        "evaluation_window": midnight(day),
        "model_family": model,
        **{f"{side}_name": version.name for side, version in sides.items()},
        **{f"{side}_version": str(version.version) for side, version in sides.items()},
        "rows_scored": found["n"],
        "data_version": int(data) if data.isdigit() else None,
        "git_sha": os.environ.get("GIT_SHA", ""),
        "run_id": run_id,
        "window_start": midnight(day),
        "window_end": midnight(day + timedelta(days=1)),
        "metric": "auc" if task == "classification" else "rmse",
        **found,
    }

# METADATA ********************

# META {
# META   "language": "python",
# META   "language_group": "jupyter_python"
# META }

# MARKDOWN ********************

# ## One row a day

# CELL ********************

# The app's own writer and batch for these rows: whoever compares a day first writes it, the other
# finds it there. What follows from the days is decided by the app alone.
writer = f"challenge:{run_id}"
while True:
    table = open_table(COMPARISONS)
    last = table.transaction_version(writer) or 0
    day = max(start, date.fromordinal(last + 1)) if last else start
    if day > end:
        break
    schema = pa.schema(table.schema().to_arrow())
    found = row(day)
    nullable = pa.schema([each.with_nullable(True) for each in schema])
    rows = pa.Table.from_pylist([{name: found.get(name) for name in schema.names}], nullable)
    batch = CommitProperties(app_transactions=[Transaction(writer, day.toordinal())])
    try:
        write_deltalake(table, rows, mode="append", commit_properties=batch)
    except CommitFailedError:
        continue  # the app has compared this day meanwhile: the table is read again
    progress((day - start).days / max((end - start).days, 1), f"{day}: {found['reason']}")
progress(1.0, f"compared up to {end}")

# METADATA ********************

# META {
# META   "language": "python",
# META   "language_group": "jupyter_python"
# META }
