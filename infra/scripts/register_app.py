"""Registers the app in Entra ID: for the secure webhook, and for people who approve and operate.

``python3 infra/scripts/register_app.py NAME``, by an Application Administrator; azd's hook does the
same for a deployer who is one. Needs no package, only ``az``, signed in. All of it can be done
again: what is there is found, not made twice. Not yet run live.
"""

import argparse
import json
import shutil
import subprocess
import uuid
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

GRAPH = "https://graph.microsoft.com/v1.0"
AZURE_MONITOR = "461e8683-5575-4561-ac7f-899cc907d62a"
"""Azure Monitor's webhook application, AzNS AAD Webhook; shared/config.py trusts it alone."""
AZURE_CLI = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"
"""Microsoft's own application, the same in every tenant: ``az account get-access-token``."""
WEBHOOK_ROLE = "ActionGroupsSecureWebhook"
ROLES: Mapping[str, tuple[str, list[str]]] = {
    WEBHOOK_ROLE: ("May send alerts", ["Application"]),
    "RetrainLoop.Approver": ("May approve or reject a promotion", ["User"]),
    "RetrainLoop.Operator": (
        "May roll back and name the first champion",
        ["User", "Application"],
    ),
}
"""App role to what it allows, and who may have it."""
SCOPE = "user_impersonation"


def main() -> None:
    parser = argparse.ArgumentParser(description="Register the app in Entra ID.")
    parser.add_argument("name", help="of the registration: retrain-loop-<azd environment>")
    client_id, object_id = register(parser.parse_args().name)
    print(f"azd env set ENTRA_CLIENT_ID {client_id}\nazd env set ENTRA_OBJECT_ID {object_id}")


def register(name: str) -> tuple[str, str]:
    """Make sure of the app registration and give its client id and object id."""
    found = every("applications", "displayName", name)
    if len(found) > 1:
        raise SystemExit(
            f"there are {len(found)} app registrations named {name}: remove all but one"
        )
    application = found[0] if found else graph("POST", "/applications", {"displayName": name})
    client_id, object_id = application["appId"], application["id"]
    roles = with_ours(application.get("appRoles", []), [role(each) for each in ROLES])
    describe(application, roles)
    own(object_id)
    admit_azure_monitor(principal(client_id), roles)
    return client_id, object_id


def describe(application: Mapping[str, Any], roles: list[dict[str, Any]]) -> None:
    """Set what the registration says; a client can be admitted only to a scope that is there."""
    path, there = f"/applications/{application['id']}", application.get("api", {})
    scopes = with_ours(there.get("oauth2PermissionScopes", []), [scope()])
    mine = next(each["id"] for each in scopes if each["value"] == SCOPE)
    clients = there.get("preAuthorizedApplications", [])
    api = {
        "requestedAccessTokenVersion": 2,
        "oauth2PermissionScopes": scopes,
        "preAuthorizedApplications": clients,
    }
    graph(
        "PATCH",
        path,
        {
            "signInAudience": "AzureADMyOrg",
            "identifierUris": [f"api://{application['appId']}"],
            "api": api,
            "appRoles": roles,
        },
    )
    if AZURE_CLI not in {each["appId"] for each in clients}:
        clients = [*clients, {"appId": AZURE_CLI, "delegatedPermissionIds": [mine]}]
        graph("PATCH", path, {"api": {**api, "preAuthorizedApplications": clients}})


def role(value: str) -> dict[str, Any]:
    text, members = ROLES[value]
    return {
        "id": made_id(value),
        "value": value,
        "displayName": text,
        "description": f"{text} (Retrain Loop).",
        "allowedMemberTypes": members,
        "isEnabled": True,
    }


def scope() -> dict[str, Any]:
    """Describe the scope that a person's token needs; what a person may do is a role's matter."""
    text = "Call Retrain Loop as the signed-in person"
    return {
        "id": made_id(SCOPE),
        "value": SCOPE,
        "type": "User",
        "adminConsentDisplayName": text,
        "adminConsentDescription": f"{text}.",
        "userConsentDisplayName": text,
        "userConsentDescription": f"{text}.",
        "isEnabled": True,
    }


def made_id(value: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, value))


def with_ours(there: list[dict[str, Any]], ours: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Add what is missing; what is there keeps its id."""
    known = {each["value"] for each in there}
    return [*there, *(each for each in ours if each["value"] not in known)]


def own(object_id: str) -> None:
    """Make the signed-in person an owner: only an owner may point an action group at it."""
    me = json.loads(run("az", "ad", "signed-in-user", "show", "--output", "json"))["id"]
    owners = graph("GET", f"/applications/{object_id}/owners")["value"]
    if me not in {each["id"] for each in owners}:
        reference = {"@odata.id": f"{GRAPH}/directoryObjects/{me}"}
        graph("POST", f"/applications/{object_id}/owners/$ref", reference)


def principal(client_id: str) -> str:
    """Make sure of an application's service principal in this tenant; give its object id."""
    found = every("servicePrincipals", "appId", client_id)
    made = found[0] if found else graph("POST", "/servicePrincipals", {"appId": client_id})
    return str(made["id"])


def admit_azure_monitor(resource: str, roles: list[dict[str, Any]]) -> None:
    """Give Azure Monitor's webhook the role that alerts must carry."""
    wanted = next(each["id"] for each in roles if each["value"] == WEBHOOK_ROLE)
    monitor = principal(AZURE_MONITOR)
    path = f"/servicePrincipals/{monitor}/appRoleAssignments"
    given = graph("GET", path)["value"]
    if not any(each["resourceId"] == resource and each["appRoleId"] == wanted for each in given):
        graph("POST", path, {"principalId": monitor, "resourceId": resource, "appRoleId": wanted})


def every(kind: str, name: str, value: str) -> Any:
    """Give the objects of the directory whose property has the value."""
    wanted = quote(f"{name} eq '{value}'")
    return graph("GET", f"/{kind}?$filter={wanted}")["value"]


def graph(method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
    """Call Microsoft Graph as whoever is signed in."""
    call = ["rest", "--method", method, "--url", GRAPH + path]
    with TemporaryDirectory() as folder:
        if body:
            # on Windows az is a batch file, which a parenthesis among its arguments ends
            file = Path(folder) / "body.json"
            file.write_text(json.dumps(body), encoding="utf-8")
            call += ["--body", f"@{file}", "--headers", "Content-Type=application/json"]
        said = run("az", *call)
    return json.loads(said) if said else {}


def run(program: str, *arguments: str) -> str:
    """Run a program and give what it says; its own words are the error."""
    found = shutil.which(program)
    if found is None:
        raise SystemExit(f"{program} is not on the PATH")
    done = subprocess.run([found, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{program} {arguments[0]} failed:\n{done.stderr.strip()}")
    return done.stdout.strip()


if __name__ == "__main__":
    main()
