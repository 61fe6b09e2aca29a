"""The developer's desk: dev container, editor settings, and the requests of test.http."""

import json
import re
import runpy
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import azure.functions as func
import pytest

from functions import operator_http
from shared.domain.alert import parse_alert
from shared.domain.caller import Caller
from shared.errors import NotFound

ROOT = Path(__file__).parents[2]
DEVCONTAINER = ROOT / ".devcontainer" / "devcontainer.json"
EDITOR = sorted((ROOT / ".vscode").glob("*.json"))
METHODS = "GET|POST|PUT|PATCH|DELETE"
APP = "{{host}}/api/"


@dataclass(frozen=True)
class Request:
    """One request of test.http."""

    title: str
    method: str
    path: str
    headers: dict[str, str]
    body: str


def requests_in(text: str) -> list[Request]:
    return [_request(part) for part in re.split(r"^### ?", text, flags=re.MULTILINE)[1:]]


def _request(part: str) -> Request:
    title, _, rest = part.partition("\n")
    lines = [line for line in rest.splitlines() if not line.startswith("#")]
    head, _, body = "\n".join(lines).strip().partition("\n\n")
    first, *more = head.splitlines()
    method, url = first.split(" ", 1)
    assert re.fullmatch(METHODS, method)
    assert url.startswith(APP)
    headers = dict(line.split(": ", 1) for line in more)
    return Request(title, method, url.removeprefix(APP), headers, body.strip())


TEXT = (ROOT / "test.http").read_text(encoding="utf-8")
REQUESTS = requests_in(TEXT)
FUNCTIONS: list[func.Function] = list(
    runpy.run_path(str(ROOT / "function_app.py"))["app"].get_functions()
)


def http_functions() -> dict[tuple[str, str], func.Function]:
    """Give every HTTP function by method and route."""
    found = {}
    for function in FUNCTIONS:
        trigger = function.get_trigger()
        assert trigger is not None
        written: dict[str, Any] = trigger.get_dict_repr()
        for method in written.get("methods") or ():
            found[str(method.value), written["route"]] = function
    return found


def route_of(request: Request) -> str:
    path = request.path.partition("?")[0]
    return path.replace("{{model}}", "{name}").replace("{{run}}", "{run_id}")


def test_every_http_function_has_a_request_and_no_other_is_there():
    named = [(request.method, route_of(request)) for request in REQUESTS]

    assert sorted(named) == sorted(http_functions())


def test_variables_are_declared():
    declared = set(re.findall(r"^@(\w+) = ", TEXT, re.MULTILINE))

    assert set(re.findall(r"\{\{(\w+)\}\}", TEXT)) == declared


def test_nothing_in_it_is_a_secret():
    values = dict(re.findall(r"^@(\w+) = (.*)$", TEXT, re.MULTILINE))

    assert values["key"] == "function-key"
    assert values["token"] == "entra-token"
    assert values["host"] == "http://127.0.0.1:7071"


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda request: request.title[:40])
def test_a_request_proves_what_its_function_asks_for(request_: Request):
    trigger = http_functions()[request_.method, route_of(request_)].get_trigger()
    assert trigger is not None
    keyed = trigger.get_dict_repr()["authLevel"].value == "function"

    assert ("x-functions-key" in request_.headers) == keyed


@pytest.mark.parametrize(
    "request_",
    [each for each in REQUESTS if each.body.startswith("<")],
    ids=lambda request: request.path,
)
def test_an_alert_is_one_of_the_tests_and_is_understood(request_: Request):
    fixture = ROOT / request_.body.removeprefix("<").strip()

    assert fixture.is_relative_to(ROOT / "tests" / "fixtures")
    assert parse_alert(json.loads(fixture.read_text(encoding="utf-8"))).alert_id


class Nobody:
    """An app whose handlers find nothing: an answer other than 404 is about the request."""

    settings = SimpleNamespace(client_principal="ignore", entra_tenant_id="tenant")
    tokens = SimpleNamespace(
        check=lambda _: Caller("oid", "app", frozenset(), "ana@example.com", is_app=False)
    )

    def __getattr__(self, name: str) -> "Nobody":
        return Nobody()

    def __call__(self, *_: Any, **__: Any) -> Any:
        raise NotFound("there is no such thing")

    def new_id(self) -> str:
        return "id-1"

    def model_of(self, _: str) -> str:
        return "flight-arrival-delay"


OPERATORS = [each for each in REQUESTS if not each.path.startswith(("health", "alerts", "secure"))]


def answer(request: Request, body: str) -> func.HttpResponse:
    path, _, query = request.path.partition("?")
    call = func.HttpRequest(
        request.method,
        f"http://app/api/{path}",
        headers=request.headers,
        params=dict(pair.split("=") for pair in query.split("&") if pair),
        route_params={"name": "flight-arrival-delay", "run_id": "run-1"},
        body=body.encode(),
    )
    function = http_functions()[request.method, route_of(request)].get_user_function()
    response: func.HttpResponse = function(call)
    return response


@pytest.mark.parametrize("request_", OPERATORS, ids=lambda request: request.title[:40])
def test_what_a_request_says_is_what_its_function_reads(
    request_: Request, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(operator_http, "app", Nobody)

    assert answer(request_, request_.body).status_code == 404
    if request_.body:
        assert answer(request_, "{}").status_code == 400


@pytest.mark.parametrize("path", [DEVCONTAINER, *EDITOR], ids=lambda path: path.name)
def test_settings_are_json(path: Path):
    assert isinstance(json.loads(path.read_text(encoding="utf-8")), dict)


def test_the_container_and_the_editor_ask_for_the_same_extensions():
    container = json.loads(DEVCONTAINER.read_text(encoding="utf-8"))
    editor = json.loads((ROOT / ".vscode" / "extensions.json").read_text(encoding="utf-8"))

    asked = container["customizations"]["vscode"]["extensions"]

    assert asked == editor["recommendations"] == sorted(set(asked))


def test_the_container_has_a_python_that_the_project_takes():
    container = json.loads(DEVCONTAINER.read_text(encoding="utf-8"))

    version = re.search(r"python:\d+-(3\.\d+)", container["image"])

    assert version
    assert version[1] in {"3.11", "3.12", "3.13"}
    assert container["postCreateCommand"] == "make setup"


def test_tasks_run_what_there_is():
    tasks = json.loads((ROOT / ".vscode" / "tasks.json").read_text(encoding="utf-8"))["tasks"]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    made = [task["command"].split()[1] for task in tasks if task["command"].startswith("make")]
    launches = json.loads((ROOT / ".vscode" / "launch.json").read_text(encoding="utf-8"))
    before = {
        each["preLaunchTask"] for each in launches["configurations"] if "preLaunchTask" in each
    }

    assert made
    assert [name for name in made if not re.search(rf"^{name}:", makefile, re.MULTILINE)] == []
    assert before <= {task["label"] for task in tasks}


def test_the_editor_reads_models_yaml_by_its_schema():
    settings = json.loads((ROOT / ".vscode" / "settings.json").read_text(encoding="utf-8"))

    for schema, file in settings["yaml.schemas"].items():
        assert (ROOT / schema).is_file()
        assert (ROOT / file).is_file()
