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

# # Create the loop's tables
#
# Written by `scripts/write_fabric_items.py` from `shared/domain/tables.py`: do not edit. Run it
# after each deployment: what is there stays, what is missing is added. The app creates a table it
# finds missing, too; made here, they can be read and reported on before the first row.

# PARAMETERS CELL ********************

only = ""  # names of tables with commas; empty: all

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

# ## What is to be there

# CELL ********************

# Name of the table: what it is, its properties, and its columns by name, type and whether a value
# is required.
TABLES = {
    "lh_gold.ml_drift_metrics": (
        "One row a metric, feature and check. The first twelve columns are the drift notebook's.",
        {"delta.checkpointInterval": "10"},
        [
            ("run_id", "STRING", True),
            ("run_timestamp", "TIMESTAMP", True),
            ("model_name", "STRING", True),
            ("model_version", "STRING", True),
            ("feature_name", "STRING", True),
            ("metric_type", "STRING", True),
            ("value", "DOUBLE", False),
            ("threshold", "DOUBLE", False),
            ("status", "STRING", True),
            ("severity", "STRING", True),
            ("reference_days", "BIGINT", True),
            ("current_days", "BIGINT", True),
            ("n_reference", "BIGINT", False),
            ("n_current", "BIGINT", False),
            ("p_value", "DOUBLE", False),
            ("p_adjusted", "DOUBLE", False),
            ("effect", "DOUBLE", False),
            ("direction", "STRING", False),
            ("window_start", "TIMESTAMP", False),
            ("window_end", "TIMESTAMP", False),
            ("bins", "BIGINT", False),
            ("epsilon", "DOUBLE", False),
            ("note", "STRING", False),
        ],
    ),
    "lh_gold.ml_retrain_triggers": (
        "One row a trigger that asked for a retrain; its status is updated in place as the run that answers it goes on. The columns are the drift notebook's.",
        {"delta.checkpointInterval": "10"},
        [
            ("trigger_id", "STRING", True),
            ("triggered_at", "TIMESTAMP", True),
            ("model_name", "STRING", True),
            ("model_version", "STRING", True),
            ("severity", "STRING", True),
            ("reasons", "STRING", True),
            ("drift_run_id", "STRING", True),
            ("status", "STRING", True),
        ],
    ),
    "lh_gold.ml_gate_results": (
        'One row a gate and judgement of a candidate.',
        {"delta.checkpointInterval": "10"},
        [
            ("run_id", "STRING", True),
            ("model_name", "STRING", True),
            ("model_version", "STRING", True),
            ("champion_version", "STRING", False),
            ("gate", "STRING", True),
            ("verdict", "STRING", True),
            ("value", "DOUBLE", False),
            ("threshold", "DOUBLE", False),
            ("operator", "STRING", False),
            ("n", "BIGINT", False),
            ("reason", "STRING", False),
            ("hint", "STRING", False),
            ("source", "STRING", False),
            ("duration_ms", "DOUBLE", False),
            ("details_json", "STRING", False),
            ("judged_at", "TIMESTAMP", True),
        ],
    ),
    "lh_gold.ml_promotion_audit": (
        "The ledger's projection: one row a decision or act. It begins with the columns of the three shapes in use before (promotion notebook, tutorial, fairness notebook), so that their readers keep working; where two shapes name the same thing differently, both columns are there.",
        {"delta.checkpointInterval": "10", "delta.appendOnly": "true"},
        [
            ("event_timestamp", "TIMESTAMP", False),
            ("model_name", "STRING", False),
            ("model_version", "STRING", False),
            ("promoted", "BOOLEAN", False),
            ("from_stage", "STRING", False),
            ("to_stage", "STRING", False),
            ("reason", "STRING", False),
            ("approver", "STRING", False),
            ("git_sha", "STRING", False),
            ("git_branch", "STRING", False),
            ("data_version", "BIGINT", False),
            ("baseline_r2", "DOUBLE", False),
            ("challenger_r2", "DOUBLE", False),
            ("gate1_passed", "BOOLEAN", False),
            ("gate2_passed", "BOOLEAN", False),
            ("gate3_passed", "BOOLEAN", False),
            ("consecutive_wins", "BIGINT", False),
            ("consecutive_wins_required", "BIGINT", False),
            ("_audit_inserted_at", "TIMESTAMP", False),
            ("event_id", "STRING", False),
            ("event_time", "TIMESTAMP", False),
            ("version", "INT", False),
            ("actor", "STRING", False),
            ("rationale", "STRING", False),
            ("audit_id", "STRING", True),
            ("audit_ts", "TIMESTAMP", False),
            ("block_promotion", "STRING", False),
            ("failed_attributes", "STRING", False),
            ("fairness_thresholds_json", "STRING", False),
            ("chain", "STRING", True),
            ("sequence", "BIGINT", True),
            ("event_ts", "TIMESTAMP", True),
            ("received_ts", "TIMESTAMP", True),
            ("subject", "STRING", True),
            ("subject_type", "STRING", True),
            ("action", "STRING", True),
            ("resource", "STRING", True),
            ("resource_type", "STRING", True),
            ("outcome", "STRING", True),
            ("run_id", "STRING", False),
            ("context_json", "STRING", False),
            ("hash_prev", "STRING", True),
            ("hash_self", "STRING", True),
            ("retention_class", "STRING", True),
            ("schema_version", "INT", True),
        ],
    ),
    "lh_gold.ml_champion_challenger": (
        "One row a day on which champion and challenger answered for the same rows. It begins with the promotion notebook's columns.",
        {"delta.checkpointInterval": "10"},
        [
            ("evaluation_window", "TIMESTAMP", False),
            ("model_family", "STRING", False),
            ("champion_name", "STRING", False),
            ("champion_version", "STRING", False),
            ("champion_r2", "DOUBLE", False),
            ("champion_rmse", "DOUBLE", False),
            ("challenger_name", "STRING", False),
            ("challenger_version", "STRING", False),
            ("challenger_r2", "DOUBLE", False),
            ("challenger_rmse", "DOUBLE", False),
            ("challenger_won", "BOOLEAN", False),
            ("rows_scored", "BIGINT", False),
            ("data_version", "BIGINT", False),
            ("git_sha", "STRING", False),
            ("run_id", "STRING", True),
            ("window_start", "TIMESTAMP", True),
            ("window_end", "TIMESTAMP", True),
            ("n", "BIGINT", False),
            ("metric", "STRING", True),
            ("champion_auc", "DOUBLE", False),
            ("challenger_auc", "DOUBLE", False),
            ("difference", "DOUBLE", False),
            ("difference_error", "DOUBLE", False),
            ("difference_low", "DOUBLE", False),
            ("difference_high", "DOUBLE", False),
            ("p_value", "DOUBLE", False),
            ("reason", "STRING", True),
        ],
    ),
    "lh_gold.ml_profile_requests": (
        'What the Spark notebook is asked to count: one row a feature, and one a cut or category.',
        {"delta.checkpointInterval": "10"},
        [
            ("request_id", "STRING", True),
            ("requested_at", "TIMESTAMP", True),
            ("model_name", "STRING", True),
            ("feature", "STRING", True),
            ("kind", "STRING", True),
            ("place", "BIGINT", True),
            ("cut", "DOUBLE", False),
            ("category", "STRING", False),
        ],
    ),
    "lh_gold.ml_feature_profiles": (
        'What the Spark notebook counted, and nobody else writes: one row a bucket of a feature. All rows of an attempt come in one commit; of two attempts the later one counts.',
        {"delta.checkpointInterval": "10"},
        [
            ("request_id", "STRING", False),
            ("attempt", "STRING", False),
            ("made_at", "TIMESTAMP", False),
            ("day", "STRING", False),
            ("feature", "STRING", False),
            ("bucket", "BIGINT", False),
            ("category", "STRING", False),
            ("n", "BIGINT", False),
            ("s", "DOUBLE", False),
            ("q", "DOUBLE", False),
            ("lo", "DOUBLE", False),
            ("hi", "DOUBLE", False),
            ("centre", "DOUBLE", False),
            ("cut", "DOUBLE", False),
            ("bin_edge", "BOOLEAN", False),
            ("odd", "STRING", False),
        ],
    ),
    "lh_gold.ml_fairness_audit": (
        "One row an attribute, measure and judgement of a candidate, written with ml_gate_results. It begins with the fairness notebook's columns.",
        {"delta.checkpointInterval": "10"},
        [
            ("audit_id", "STRING", True),
            ("model_name", "STRING", True),
            ("model_version", "STRING", True),
            ("audit_ts", "TIMESTAMP", True),
            ("attribute", "STRING", True),
            ("metric_name", "STRING", True),
            ("metric_value", "DOUBLE", False),
            ("threshold", "DOUBLE", True),
            ("operator", "STRING", True),
            ("pass_fail", "STRING", True),
            ("run_id", "STRING", True),
            ("n", "BIGINT", False),
        ],
    ),
    "lh_gold.ml_model_cards": (
        "One row a model card: a version became the champion. The first six columns are the fairness notebook's.",
        {"delta.checkpointInterval": "10"},
        [
            ("model_name", "STRING", True),
            ("model_version", "STRING", True),
            ("audit_id", "STRING", True),
            ("audit_ts", "TIMESTAMP", True),
            ("rai_risk_tier", "STRING", False),
            ("model_card_json", "STRING", True),
            ("run_id", "STRING", True),
            ("card_sha256", "STRING", True),
            ("undeclared", "STRING", False),
            ("schema_version", "INT", True),
        ],
    ),
}

# METADATA ********************

# META {
# META   "language": "python",
# META   "language_group": "jupyter_python"
# META }

# MARKDOWN ********************

# ## What is there

# CELL ********************

from deltalake import DeltaTable, Field, Schema
from deltalake.exceptions import TableNotFoundError
from deltalake.schema import PrimitiveType

TYPES = {
    "STRING": "string",
    "INT": "integer",
    "BIGINT": "long",
    "DOUBLE": "double",
    "BOOLEAN": "boolean",
    "TIMESTAMP": "timestamp",
}


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


def field(name, kind, required):
    return Field(name, PrimitiveType(TYPES[kind]), nullable=not required)


def create(path, about, properties, columns):
    DeltaTable.create(
        path,
        Schema([field(*column) for column in columns]),
        mode="ignore",
        description=about,
        configuration=properties,
        storage_options=OPTIONS,
    )


def update(table, name, properties, columns):
    """Add what an older table lacks; gives the names of the columns added."""
    there = {each.name: each.type for each in table.schema().fields}
    for column, kind, _ in columns:
        if column in there and there[column] != PrimitiveType(TYPES[kind]):
            raise RuntimeError(f"{name}.{column}: the table has {there[column]}, not {kind}")
    # as nullable: the rows that are there have no value
    missing = [field(column, kind, False) for column, kind, _ in columns if column not in there]
    if missing:
        table.alter.add_columns(missing)
    lacking = properties.items() - table.metadata().configuration.items()
    if lacking:
        table.alter.set_table_properties(dict(lacking))
    return [each.name for each in missing]


chosen = [name.strip() for name in only.split(",") if name.strip()] or list(TABLES)
unknown = sorted(set(chosen) - set(TABLES))
if unknown:
    raise RuntimeError(f"no such tables: {', '.join(unknown)}")
for name in chosen:
    about, properties, columns = TABLES[name]
    path = f"{LAKEHOUSE}/{name.replace('.', '/')}"
    try:
        table = DeltaTable(path, storage_options=OPTIONS)
    except TableNotFoundError:
        create(path, about, properties, columns)
        print(f"{name}: created", flush=True)
    else:
        added = update(table, name, properties, columns)
        print(f"{name}: {'added ' + ', '.join(added) if added else 'as it should be'}", flush=True)

# METADATA ********************

# META {
# META   "language": "python",
# META   "language_group": "jupyter_python"
# META }
