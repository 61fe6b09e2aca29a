"""Runs the deployment against a workspace in memory and prints what it then holds, as JSON.

A process of its own: fabric-cicd takes over the logging and the excepthook of whoever imports it.
Answers have the shapes of Fabric's documented item API, as far as fabric-cicd reads them.
"""

import base64
import contextlib
import io
import json
import sys
import time
import uuid
from types import SimpleNamespace
from unittest import mock

from tests.fabric.items import script

WORKSPACE = "33333333-3333-3333-3333-333333333333"


class FakeEndpoint:
    """The calls of fabric-cicd's FabricEndpoint, answered from memory."""

    items: dict[str, dict]
    calls: list[str]

    def __init__(self, **_given):
        FakeEndpoint.items, FakeEndpoint.calls = {}, []

    def invoke(self, method, url, body=None, **_options):
        path = url.split("/v1/workspaces/", 1)[1].partition("/")[2]
        self.calls.append(f"{method} {path}")
        return {"header": {}, "body": self._answer(method, path, body or {}), "status_code": 200}

    def _answer(self, method, path, body):
        if method == "POST" and path == "items":
            found = {"id": str(uuid.uuid4()), "folderId": "", **body}
            self.items[found["id"]] = found
            return found
        if method == "POST" and path.endswith("/updateDefinition?updateMetadata=True"):
            self.items[path.split("/")[1]].update(body)
            return {}
        return self._read(path)

    def _read(self, path):
        if path == "":
            return {"capacityId": "a capacity"}
        if path == "items":
            return {"value": [{"description": "", **item} for item in self.items.values()]}
        if path == "environments/":
            done = {"properties": {"publishDetails": {"state": "Success"}}}
            mine = [each for each in self.items.values() if each["type"] == "Environment"]
            return {"value": [{**each, **done} for each in mine]}
        if path.startswith("lakehouses/"):
            return {"properties": {"sqlEndpointProperties": {"provisioningStatus": "Success"}}}
        return {"value": []}


def files(item):
    parts = item.get("definition", {}).get("parts", [])
    return {part["path"]: base64.b64decode(part["payload"]).decode() for part in parts}


def main(environment):
    token = SimpleNamespace(token="a token", expires_on=time.time() + 3600)
    credential = mock.Mock(get_token=mock.Mock(return_value=token))
    printed = io.StringIO()
    with (
        mock.patch("fabric_cicd.fabric_workspace.FabricEndpoint", FakeEndpoint),
        mock.patch("azure.identity.DefaultAzureCredential", return_value=credential),
        mock.patch("time.sleep"),
        contextlib.redirect_stdout(printed),
    ):
        status = script("deploy_fabric").main([environment, "--publish"])
    published = {
        f"{item['displayName']}.{item['type']}": {"id": item["id"], "files": files(item)}
        for item in FakeEndpoint.items.values()
    }
    told = {
        "status": status,
        "printed": printed.getvalue(),
        "calls": FakeEndpoint.calls,
        "items": published,
    }
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1])
