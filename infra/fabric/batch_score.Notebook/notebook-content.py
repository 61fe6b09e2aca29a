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

# # Score a day
#
# The rows of one day get the answers of champion and challenger in the prediction log, which the
# drift check reads. A repeated run adds what is missing and nothing twice.

# PARAMETERS CELL ********************

# The pipeline overrides these; the defaults serve a run by hand.
model = "flight-arrival-delay"
day = ""  # as the day column writes it; empty: the day before as_of, in UTC
as_of = ""  # ISO 8601; empty means now
roles = "champion,challenger"
facts = "lh_gold/fact_flights"
predictions = "lh_gold/flight_delay_predictions"
id_column = "flight_id"
timestamp_column = "scheduled_departure"
day_column = "flight_date"
prediction_column = "predicted_arr_delay"

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

from datetime import UTC, datetime, timedelta

# Before scikit-learn loads: on a busy machine, more threads than free cores spin on each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import mlflow
import numpy as np
import pandas as pd
import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Schema, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError, TableNotFoundError

STAGES = {"champion": "Production", "challenger": "Staging"}
# Where the registry has neither: the app's tag. Who is going out serves until another is tagged.
ROLE_TAG = "retrain_loop.role"
TAGS = {"champion": ("champion", "outgoing-champion"), "challenger": ("challenger",)}
ATTEMPTS = 5


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


moment = datetime.fromisoformat(as_of) if as_of else datetime.now(UTC)
if moment.tzinfo is None:
    raise ValueError(f"as_of must carry its offset from UTC, got {as_of!r}")
day = day or (moment.astimezone(UTC) - timedelta(days=1)).date().isoformat()

# METADATA ********************

# META {
# META   "language": "python",
# META   "language_group": "jupyter_python"
# META }

# MARKDOWN ********************

# ## Who answers

# CELL ********************

client = mlflow.MlflowClient()


def versions():
    """Every version of the model, page by page."""
    token = None
    while True:
        page = client.search_model_versions(f"name='{model}'", page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def holder(role):
    """The version in a role: by alias, else the newest in the stage, else the one with the tag."""
    aliases = client.get_registered_model(model).aliases or {}
    if role in aliases:
        return client.get_model_version(model, str(aliases[role]))
    known = list(versions())
    staged = [each for each in known if each.current_stage == STAGES[role]]
    if staged:
        return max(staged, key=lambda each: int(each.version))
    for tag in TAGS[role]:
        tagged = [each for each in known if each.tags.get(ROLE_TAG) == tag]
        if len(tagged) > 1:
            raise RuntimeError(f"{model}: {len(tagged)} versions have {ROLE_TAG} = {tag}")
        if tagged:
            return tagged[0]
    return None


asked = [role.strip() for role in roles.split(",") if role.strip()]
if not set(asked) <= set(STAGES):
    raise ValueError(f"roles are {', '.join(STAGES)}, got {roles!r}")
holders = {role: holder(role) for role in asked}
if "champion" in holders and holders["champion"] is None:
    raise RuntimeError(f"{model}: no version is the champion")

# METADATA ********************

# META {
# META   "language": "python",
# META   "language_group": "jupyter_python"
# META }

# MARKDOWN ********************

# ## The day's rows

# CELL ********************

def inputs(rows, predictor):
    """The columns the version was trained on, in its types."""
    schema = predictor.metadata.get_input_schema()
    if schema is None:
        raise RuntimeError(f"{model}: the version has no signature, so nobody knows its features")
    lacking = [name for name in schema.input_names() if name not in rows.columns]
    if lacking:
        raise RuntimeError(f"{facts}: no column {', '.join(lacking)}")
    numbers = [each.name for each in schema.inputs if each.type.name == "double"]
    return rows[schema.input_names()].astype(dict.fromkeys(numbers, "float64"))


def as_arrow(version, rows):
    predictor = mlflow.pyfunc.load_model(f"models:/{model}/{version.version}")
    features = inputs(rows, predictor)
    answers = np.asarray(predictor.predict(features), dtype="float64").reshape(-1)
    if len(answers) != len(rows):
        raise RuntimeError(f"version {version.version}: {len(answers)} answers for {len(rows)} rows")
    names = dict.fromkeys([id_column, timestamp_column, day_column, *features.columns])
    log = rows[list(names)].assign(
        **{prediction_column: answers},
        model_version=str(version.version),
        scored_at=pd.Timestamp(moment),
        retrain_run_id=version.tags.get("retrain_run_id", ""),
    )
    stamp = pd.ArrowDtype(pa.timestamp("us", tz="UTC"))
    log = log.astype({timestamp_column: stamp, "scored_at": stamp})
    # without pandas' own metadata, which would carry this run's index into the table
    return pa.Table.from_pandas(log, preserve_index=False).replace_schema_metadata(None)


def prediction_log():
    path = f"{LAKEHOUSE}/{predictions}"
    if not DeltaTable.is_deltatable(path, storage_options=OPTIONS):
        return None
    return DeltaTable(path, storage_options=OPTIONS)


def create_log(schema):
    DeltaTable.create(
        f"{LAKEHOUSE}/{predictions}",
        Schema.from_arrow(schema),
        mode="ignore",
        partition_by=[day_column],
        storage_options=OPTIONS,
    )


def already_logged(log, version):
    mine = [("model_version", "=", str(version.version)), (day_column, "=", day)]
    return log.to_pandas(columns=[id_column], filters=mine)[id_column] if log else []


def score(version):
    """Log the version's answers for the day's rows that it has none for yet; gives how many.

    One commit, which carries the number of this version's batches for the day: two runs at the
    same time write the same number, Delta refuses the second, and it looks again.
    """
    writer = f"batch_score:{model}:{version.version}:{day}"
    for _ in range(ATTEMPTS):
        log = prediction_log()
        rows = due[~due[id_column].isin(already_logged(log, version))]
        if rows.empty:
            return 0
        table = as_arrow(version, rows)
        if log is None:
            create_log(table.schema)
            continue
        # on the state that was looked at, so that the commit fails where that is no longer true
        batch = (log.transaction_version(writer) or 0) + 1
        if commit(log, table, Transaction(writer, batch)):
            return len(rows)
    raise RuntimeError(f"version {version.version}: lost {ATTEMPTS} races to log {day}")


def commit(target, table, transaction):
    there = {each.name for each in target.schema().fields}
    try:
        write_deltalake(
            target,
            table,
            mode="append",
            # a log from before this notebook gets the columns it lacks
            schema_mode="merge" if there != set(table.column_names) else None,
            commit_properties=CommitProperties(app_transactions=[transaction]),
        )
    except CommitFailedError:
        return False
    return True


due = open_table(facts).to_pandas(filters=[(day_column, "=", day)])
due = due[due[timestamp_column] < pd.Timestamp(moment)].drop_duplicates(id_column, keep="last")
progress(0.2, f"{len(due)} rows on {day}")
scored = {}
for place, (role, version) in enumerate(holders.items(), start=1):
    if version is None:
        progress(0.2 + 0.8 * place / len(holders), f"nobody is the {role}")
        continue
    scored[role] = score(version)
    progress(
        0.2 + 0.8 * place / len(holders),
        f"{scored[role]} rows scored by version {version.version}, the {role}",
    )

# METADATA ********************

# META {
# META   "language": "python",
# META   "language_group": "jupyter_python"
# META }
