"""What stands in for a deployment in the doctor's tests."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from local.doctor import identity
from local.doctor.asking import Asking
from local.doctor.azure import Group
from local.doctor.findings import Check
from shared.adapters.credentials import StaticCredential

ROOT = Path(__file__).parents[2]
SECRET = "swordfish-4711"
SETTINGS = {
    "AUTH_MODE": "local",
    "LOCAL_TOKEN": SECRET,
    "AzureWebJobsStorage": (
        f"DefaultEndpointsProtocol=http;AccountName=account;AccountKey={'A' * 86}==;"
        "BlobEndpoint=http://127.0.0.1:1/a;QueueEndpoint=http://127.0.0.1:1/a;"
        "TableEndpoint=http://127.0.0.1:1/a"
    ),
    "FABRIC_API_URL": "http://127.0.0.1:1/v1",
    "MLFLOW_TRACKING_URI": "http://127.0.0.1:1",
    "LOGS_INGESTION_ENDPOINT": "http://127.0.0.1:1",
    "LOGS_INGESTION_RULE_ID": "dcr-1",
    **{f"{name}_SCHEDULE": "0 0 4 * * *" for name in ("DRIFT", "SWEEP", "AUDIT", "CHALLENGE")},
    "RETRAIN_SCHEDULE": "0 0 4 * * *",
}


def raising(error: Exception) -> Any:
    def look() -> str:
        raise error

    return look


def check(look: Any, **remedies: str) -> Check:
    return Check("group", "name", look, **remedies)


class Handler(BaseHTTPRequestHandler):
    """Answers as its server says."""

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        self.server.seen.append(
            (self.path, self.headers.get("Authorization"), self.rfile.read(length))
        )
        status, headers, body = self.server.answer
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        text = json.dumps(body).encode()
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def served() -> Iterator[Any]:
    """Serve on a free port; ``answer`` is what comes back, ``seen`` what arrived."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as found:
        found.seen, found.answer = [], (200, {}, {})
        found.url = f"http://127.0.0.1:{found.server_port}"
        thread = threading.Thread(target=found.serve_forever, args=(0.01,))
        thread.start()
        yield found
        found.shutdown()
        thread.join()


def group_of(given: Mapping[str, str], asking: Any = None) -> Group:
    return Group(asking or Asking(StaticCredential(SECRET), local=False), given)


class Manager:
    """A resource manager that gives one list."""

    local = False

    def __init__(self, *value: Mapping[str, Any]) -> None:
        self.value = value
        self.asked: list[str] = []
        self.filters: list[str] = []

    def get(self, url: str, scope: str, params: Mapping[str, str]) -> Mapping[str, Any]:
        assert scope == identity.ARM_SCOPE
        assert set(params) <= {"api-version", "$filter"}
        self.filters.append(params.get("$filter", ""))
        self.asked.append(url)
        return {"value": list(self.value)}


DEPLOYED = {
    "AZURE_SUBSCRIPTION_ID": "s-1",
    "AZURE_RESOURCE_GROUP": "rg",
    "AZURE_FUNCTION_NAME": "fn",
}
