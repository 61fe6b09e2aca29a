"""Deploy infra/fabric with fabric-cicd: ``python scripts/deploy_fabric.py dev [--publish]``.

Without ``--publish`` nothing is sent: items and parameters are read and held against each other by
fabric-cicd's own code, offline. docs/fabric.md says which variables it reads and which rights it
needs. Needs requirements-deploy.txt.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jsonpath_ng.ext import parse

ITEMS = Path(__file__).parents[1] / "infra" / "fabric"
ENVIRONMENTS = ("dev", "staging", "prod")
ITEM_TYPES = ("Lakehouse", "Environment", "Notebook", "DataPipeline")
OWN_LAKEHOUSE = "$items.Lakehouse.lh_retrain_loop.$id"
OWN_WORKSPACE = "$workspace.$id"
PLACEHOLDER = "11111111-1111-1111-1111-111111111111"
"""Stands for each id while nothing is sent."""
UNQUOTABLE = re.compile(r"[^\w .,:;@/+#()\[\]'-]")
"""What may not stand in a name: it is put between quotes into YAML, then into Python."""
REFERENCE = re.compile(r'"(?:notebookId|environmentId|default_lakehouse)": "([^"]+)"')


class DeploymentError(Exception):
    """What is to be deployed, or where to, is not as it must be."""


@dataclass(frozen=True)
class Target:
    """Where to, as the environment's variables say.

    Attributes:
        lakehouse: an existing one's id and its workspace's; empty: the one deployed here.
        connection: id of the connection whose identity runs the notebooks; empty: whoever saved
            the pipeline last.
    """

    workspace: str
    lakehouse: str
    lakehouse_workspace: str
    connection: str

    def variables(self) -> dict[str, str]:
        """Give what parameter.yml asks for."""
        return {
            "FABRIC_LAKEHOUSE_ID": self.lakehouse or OWN_LAKEHOUSE,
            "FABRIC_LAKEHOUSE_WORKSPACE_ID": self.lakehouse_workspace or OWN_WORKSPACE,
            **{name: UNQUOTABLE.sub("_", value) for name, value in _source().items()},
        }


def read_target(variables: Mapping[str, str]) -> Target:
    """Read the target.

    Raises:
        DeploymentError: a lakehouse without its workspace.
    """
    found = Target(
        variables.get("FABRIC_WORKSPACE_ID", ""),
        variables.get("FABRIC_LAKEHOUSE_ID", ""),
        variables.get("FABRIC_LAKEHOUSE_WORKSPACE_ID", ""),
        variables.get("FABRIC_CONNECTION_ID", ""),
    )
    if bool(found.lakehouse) != bool(found.lakehouse_workspace):
        message = "FABRIC_LAKEHOUSE_ID and FABRIC_LAKEHOUSE_WORKSPACE_ID: both, or neither"
        raise DeploymentError(message)
    return found


def stage(source: Path, folder: Path, target: Target) -> Path:
    """Copy the items: no lakehouse where there is one, each activity with its connection."""
    there = shutil.ignore_patterns("*.Lakehouse") if target.lakehouse else None
    staged = Path(shutil.copytree(source, folder / "items", ignore=there))
    for path in staged.glob("*.DataPipeline/pipeline-content.json") if target.connection else ():
        pipeline = json.loads(path.read_text(encoding="utf-8"))
        for activity in pipeline["properties"]["activities"]:
            if activity["type"] == "TridentNotebook":
                activity["externalReferences"] = {"connection": target.connection}
        path.write_text(json.dumps(pipeline, indent=2) + "\n", encoding="utf-8")
    return staged


def check(environment: str, items: Path, target: Target) -> int:
    """Read everything as the deployment would, and send nothing; gives the number of items.

    Raises:
        DeploymentError: a parameter that replaces nothing, or a reference to no item.
    """
    os.environ.update(target.variables())
    offline = {"FABRIC_LAKEHOUSE_ID": PLACEHOLDER, "FABRIC_LAKEHOUSE_WORKSPACE_ID": PLACEHOLDER}
    os.environ.update(offline)
    workspace = _workspace(environment, items, target, _NoCredential())
    workspace._refresh_repository_items()  # noqa: SLF001 - publishing reads the items by it
    found = list(_items(workspace))
    for item in found:
        item.guid = PLACEHOLDER
    idle = [name for name, used in _uses(workspace, found).items() if not used]
    if idle:
        raise DeploymentError(f"parameter.yml: nothing to replace: {', '.join(idle)}")
    lost = [each for item in found for each in _lost(workspace, item)]
    if lost:
        raise DeploymentError("no item has this logical id: " + ", ".join(lost))
    return len(found)


def publish(environment: str, items: Path, target: Target) -> dict[str, str]:
    """Publish all items; gives the pipelines' ids by name.

    Raises:
        DeploymentError: nobody said where to.
    """
    from azure.identity import DefaultAzureCredential
    from fabric_cicd import publish_all_items

    if not target.workspace:
        raise DeploymentError("FABRIC_WORKSPACE_ID is not set")
    os.environ.update(target.variables())
    # a build agent is an Azure machine, whose own identity is nobody's here
    credential = DefaultAzureCredential(exclude_managed_identity_credential=True)
    workspace = _workspace(environment, items, target, credential)
    publish_all_items(workspace)
    pipelines = workspace.repository_items["DataPipeline"]
    return {name: item.guid for name, item in pipelines.items()}


class _NoCredential:
    """A token that is worth nothing, for a check that calls nobody."""

    def get_token(self, *_scopes: str, **_options: Any) -> Any:
        from azure.core.credentials import AccessToken

        return AccessToken("offline", int(time.time()) + 3600)


def _workspace(environment: str, items: Path, target: Target, credential: Any) -> Any:
    import fabric_cicd

    fabric_cicd.disable_file_logging()
    fabric_cicd.append_feature_flag("enable_environment_variable_replacement")
    return fabric_cicd.FabricWorkspace(
        workspace_id=target.workspace or PLACEHOLDER,
        repository_directory=str(items),
        item_type_in_scope=list(ITEM_TYPES),
        environment=environment,
        token_credential=credential,
    )


def _items(workspace: Any) -> Iterator[Any]:
    for kind in workspace.item_type_in_scope:
        yield from workspace.repository_items.get(kind, {}).values()


def _uses(workspace: Any, items: Sequence[Any]) -> dict[str, int]:
    """Count the files in which each parameter finds what it replaces."""
    files = [(file, item) for item in items for file in item.item_files]
    parameters = workspace.environment_parameter
    used: dict[str, int] = {}
    for parameter in parameters.get("find_replace", []):
        workspace.environment_parameter = {"find_replace": [parameter]}
        change = workspace._replace_parameters  # noqa: SLF001 - publishing replaces by it
        found = [file for file, item in files if change(file, item) != file.contents]
        used[parameter["find_value"]] = len(found)
    workspace.environment_parameter = parameters
    for parameter in parameters.get("key_value_replace", []):
        key = parse(parameter["find_key"])
        found = [file for file, _ in files if key.find(_as_json(file.contents))]
        used[parameter["find_key"]] = len(found)
    return used


def _lost(workspace: Any, item: Any) -> list[str]:
    """Give the references of an item's files that lead to no item, replaced as in publishing."""
    texts = []
    for file in item.item_files:
        file.contents = workspace._replace_logical_ids(file.contents)  # noqa: SLF001 - as publishing does
        texts.append(workspace._replace_parameters(file, item))  # noqa: SLF001 - the same
    found = [reference[1] for text in texts for reference in REFERENCE.finditer(text)]
    return [f"{item.name}: {each}" for each in found if each != PLACEHOLDER]


def _as_json(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return {}


def _source() -> dict[str, str]:
    """Give what code is deployed, and whose; an author may be called anything."""
    given = os.environ
    return {
        "GIT_SHA": given.get("GIT_SHA") or _git("rev-parse", "HEAD"),
        "GIT_BRANCH": given.get("GIT_BRANCH") or _git("rev-parse", "--abbrev-ref", "HEAD"),
        "GIT_AUTHOR": given.get("GIT_AUTHOR")
        or given.get("GITHUB_ACTOR")
        or _git("log", "-1", "--format=%an"),
        "GIT_PR_NUMBER": given.get("GIT_PR_NUMBER") or "none",
    }


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=ITEMS, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "unknown"


def main(arguments: list[str] | None = None) -> int:
    """Check, and publish where asked to; gives the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("environment", choices=ENVIRONMENTS)
    parser.add_argument("--publish", action="store_true", help="send it to FABRIC_WORKSPACE_ID")
    parser.add_argument("--items", type=Path, default=ITEMS, help="folder of the items")
    given = parser.parse_args(arguments)
    try:
        target = read_target(os.environ)
        with tempfile.TemporaryDirectory() as folder:
            items = stage(given.items, Path(folder), target)
            if not given.publish:
                print(f"{given.environment}: {check(given.environment, items, target)} items sound")
                return 0
            for name, item in publish(given.environment, items, target).items():
                print(f"{name} {item}")
    except DeploymentError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
