"""Write what infra/fabric holds twice: ``python scripts/write_fabric_items.py``.

The tables' notebook comes from shared/domain/tables.py and the properties the app gives its tables,
the environment's libraries from requirements.txt and local/point_in_time.py. A test holds each file
against its source.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path

from shared.adapters.delta.delta_tables import table_properties
from shared.domain.tables import TABLES, Table

ROOT = Path(__file__).parents[1]
FABRIC = ROOT / "infra" / "fabric"
LAKEHOUSE_ID = "b5a4c7d0-3f52-4d0e-8a6b-6e0f2c9d1a10"
"""Logical id of lh_retrain_loop.Lakehouse."""
PINNED = ("deltalake", "scikit-learn", "skops")
"""What a model's files depend on, and what writes the tables; the rest is the runtime's own, which
Microsoft advises against replacing."""

NOTEBOOK = '''\
# Fabric notebook source

# METADATA ********************

# META {
# META   "kernel_info": {
# META     "name": "jupyter",
# META     "jupyter_kernel_name": "python3.11"
# META   },
# META   "dependencies": {
# META     "lakehouse": {
# META       "default_lakehouse": "@LAKEHOUSE@",
# META       "default_lakehouse_name": "lh_retrain_loop",
# META       "default_lakehouse_workspace_id": "00000000-0000-0000-0000-000000000000",
# META       "known_lakehouses": [
# META         {
# META           "id": "@LAKEHOUSE@"
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

@LIBRARIES@

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
@TABLES@
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


@LOCATE@


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
'''

LIBRARIES = """\
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
        os.environ.setdefault(name, value)"""
"""The first cell of every Python notebook; PINNED are those of requirements.txt."""

LOCATE = '''\
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
    )'''


def render() -> Mapping[Path, str]:
    """Give each written file's content."""
    libraries = FABRIC / "retrain_loop.Environment" / "Libraries"
    own = (ROOT / "local" / "point_in_time.py").read_text(encoding="utf-8")
    return {
        FABRIC / "create_tables.Notebook" / "notebook-content.py": _notebook(),
        libraries / "PublicLibraries" / "environment.yml": _environment(),
        libraries / "CustomLibraries" / "point_in_time.py": own,
    }


def _notebook() -> str:
    tables = "\n".join(_table(table) for table in TABLES.values())
    shared = {"@LIBRARIES@": LIBRARIES, "@LOCATE@": LOCATE, "@LAKEHOUSE@": LAKEHOUSE_ID}
    filled = NOTEBOOK.replace("@TABLES@", tables)
    for mark, text in shared.items():
        filled = filled.replace(mark, text)
    return filled


def _table(table: Table) -> str:
    columns = [
        f'            ("{column.name}", "{column.type}", {column.required}),'
        for column in table.columns
    ]
    head = [f'    "{table.name}": (', f"        {table.about!r},"]
    head += [f"        {json.dumps(table_properties(table))},"]
    return "\n".join([*head, "        [", *columns, "        ],", "    ),"])


def _environment() -> str:
    pins = [_pin(name) for name in PINNED]
    return "dependencies:\n  - pip:\n" + "".join(f"      - {pin}\n" for pin in pins)


def _pin(name: str) -> str:
    requirements = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    found = re.search(rf"^{re.escape(name)}==\S+$", requirements, re.MULTILINE)
    if found is None:
        raise LookupError(f"requirements.txt does not pin {name}")
    return found[0]


if __name__ == "__main__":
    for path, content in render().items():
        path.write_text(content, encoding="utf-8")
        print(path)
