"""Everything that is checked of ``infra/`` without Azure: ``loop deploy check``.

The Bicep as it is written, as each profile computes it, its role ids, and its settings against
those that the app reads.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from local.bicep.checks import check, check_parameters
from local.bicep.evaluation import Planned, evaluate, parameters_of
from local.bicep.project import Project, load_project, read_json
from local.bicep.shapes import Shapes, load_shapes
from local.bicep.syntax import BicepError
from local.deploy_plan import PROFILES
from shared.config import LOCAL_ONLY, Settings

HOST: Final = frozenset(
    {
        "AzureWebJobsStorage__credential",
        "AzureWebJobsStorage__clientId",
        "APPLICATIONINSIGHTS_CONNECTION_STRING",
        "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
    }
)
"""Settings that the Functions host reads. Source: Microsoft Learn, identity-based connections."""
PARAMETERS: Final = "main.parameters.json"
_VARIABLE: Final = re.compile(r"\$\{([A-Z0-9_]+)\}")


def findings(infra: Path, models: Path) -> list[str]:
    """Give everything that is wrong with a folder such as ``infra/``.

    Args:
        infra: with ``main.bicep`` and the JSON files beside it.
        models: the catalogue whose ``${NAME}`` must be deployed as settings.
    """
    try:
        project, shapes = (
            load_project(infra / "main.bicep"),
            load_shapes(infra / "azure-types.json"),
        )
        found = [str(each) for each in check(project, shapes)]
        found += _parameters(project, infra)
        found += wrong_roles(read_json(infra / "roles.json"), read_json(infra / "azure-roles.json"))
        if not found:  # what does not hold together cannot be computed
            for profile in PROFILES:
                found += _computed(profile, project, shapes, models)
    except BicepError as error:
        return [str(error)]
    return found


def planned_resources(
    project: Project, profile: str, environment: Mapping[str, str]
) -> list[Planned]:
    """Compute what a profile deploys, with azd's parameter file and environment.

    Raises:
        BicepError: the Bicep asks for what is not there.
    """
    file = project.main.path.parent / PARAMETERS
    return evaluate(project, parameters_of(file, environment) | {"profile": profile})


def wrong_roles(roles: Mapping[str, str], known: Mapping[str, Any]) -> Iterator[str]:
    """Give the roles whose id is not that of the built-in role of the name."""
    for name, role in roles.items():
        if known["roles"].get(name) != role:
            yield f"roles.json: {name} is not the built-in role {role}"


def wrong_settings(deployed: Sequence[str], models: str) -> Iterator[str]:
    """Give settings that nothing reads, and those that are read and not deployed.

    Args:
        deployed: the names of the app settings.
        models: the text of the catalogue.
    """
    read = {str(field.alias) for field in Settings.model_fields.values()} - LOCAL_ONLY
    named = set(_VARIABLE.findall(re.sub(r"^\s*#.*$", "", models, flags=re.MULTILINE)))
    for name in sorted(set(deployed) - read - HOST - named):
        yield f"the setting {name} is deployed and nothing reads it"
    for name in sorted((read | HOST | named) - set(deployed)):
        yield f"the setting {name} is read and not deployed"


def _parameters(project: Project, infra: Path) -> list[str]:
    entries = read_json(infra / PARAMETERS)["parameters"]
    given = {name: entry["value"] for name, entry in entries.items()}
    return [str(each) for each in check_parameters(project, given, infra / PARAMETERS)]


def _computed(profile: str, project: Project, shapes: Shapes, models: Path) -> Iterator[str]:
    resources = planned_resources(project, profile, {})
    for each in resources:
        for message in shapes.check_body(each):
            yield f"{profile}, {each.file}: {message}"
    for settings in (each for each in resources if each.type == "Microsoft.Web/sites/config"):
        for message in wrong_settings(list(settings.body["properties"]), models.read_text("utf-8")):
            yield f"{profile}: {message}"
