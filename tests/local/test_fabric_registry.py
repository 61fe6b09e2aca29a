"""The simulator's registry and OneLake: what a client can tell from the outside."""

from collections.abc import Iterator

import pytest
import requests

from tests.contract.registry_worlds import TOKEN, WORKSPACE, Simulator, simulated

pytestmark = [
    pytest.mark.xdist_group("fabric-registry"),  # one worker starts the simulator for all
    pytest.mark.filterwarnings(
        # raised inside MLflow's own modules
        "ignore::sqlalchemy.exc.SADeprecationWarning",
        "ignore::DeprecationWarning:mlflow",
        "ignore::FutureWarning:mlflow",
    ),
]


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    with simulated(tmp_path_factory.mktemp("fabric")) as running:
        yield running


def ask(simulator: Simulator, method: str, path: str, **how) -> requests.Response:
    how.setdefault("headers", {"Authorization": f"Bearer {TOKEN}"})
    return requests.request(method, f"{simulator.url}{path}", timeout=10, **how)


def registry(workspace: str = WORKSPACE) -> str:
    return f"/v1/workspaces/{workspace}/mlflow/api/2.0/mlflow"


def test_the_registry_answers_as_mlflow_does(simulator):
    missing = ask(simulator, "GET", f"{registry()}/registered-models/get?name=m")

    assert missing.status_code == 404
    assert missing.json()["error_code"] == "RESOURCE_DOES_NOT_EXIST"

    made = ask(simulator, "POST", f"{registry()}/registered-models/create", json={"name": "m"})
    assert made.json()["registered_model"]["name"] == "m"


def test_another_workspace_s_registry_is_fabric_s_error(simulator):
    elsewhere = ask(simulator, "GET", f"{registry(WORKSPACE[:-1] + '2')}/registered-models/get")

    assert elsewhere.status_code == 404
    assert elsewhere.json()["errorCode"] == "WorkspaceNotFound"


@pytest.mark.parametrize("path", [f"{registry()}/registered-models/get", f"/onelake/{WORKSPACE}/a"])
def test_nobody_is_served_without_a_token(simulator, path):
    assert ask(simulator, "GET", path, headers={}).status_code == 401


def test_what_the_registry_lacks_is_switched_while_it_runs(simulator):
    call = f"{registry()}/registered-models/alias?name=m&alias=champion"

    for lacking, code in ((["aliases"], "ENDPOINT_NOT_FOUND"), ([], "RESOURCE_DOES_NOT_EXIST")):
        ask(simulator, "PUT", "/_simulator/registry", json={"without": lacking})
        found = ask(simulator, "GET", call.replace("name=m", "name=nobody"))
        assert found.json()["error_code"] == code


def test_an_unknown_lack_is_refused(simulator):
    refused = ask(simulator, "PUT", "/_simulator/registry", json={"without": ["colours"]})

    assert refused.status_code == 400


def test_what_was_appended_is_there_once_it_is_flushed(simulator):
    file = f"/onelake/{WORKSPACE}/item/file"
    assert ask(simulator, "GET", file).headers["x-ms-error-code"] == "PathNotFound"
    ask(simulator, "PUT", f"{file}?resource=file")
    ask(simulator, "PATCH", f"{file}?action=append&position=0", data=b"whole")
    assert ask(simulator, "GET", file).content == b""

    assert ask(simulator, "PATCH", f"{file}?action=flush&position=4").status_code == 400
    assert ask(simulator, "PATCH", f"{file}?action=flush&position=5").status_code == 200

    assert ask(simulator, "GET", file).content == b"whole"
    part = {"Authorization": f"Bearer {TOKEN}", "Range": "bytes=1-3"}
    assert ask(simulator, "GET", file, headers=part).content == b"hol"


def test_a_folder_is_listed_page_by_page(simulator):
    for number in range(4):
        ask(simulator, "PUT", f"/onelake/{WORKSPACE}/listed/sub/{number}?resource=file")
    names, more = [], ""
    while True:
        query = f"resource=filesystem&recursive=true&directory=listed&continuation={more or 0}"
        page = ask(simulator, "GET", f"/onelake/{WORKSPACE}?{query}")
        names += [entry["name"] for entry in page.json()["paths"]]
        more = page.headers.get("x-ms-continuation", "")
        if not more:
            break

    assert names == ["listed/sub", *(f"listed/sub/{number}" for number in range(4))]


def test_a_path_that_leads_out_of_the_workspace_is_not_served(simulator):
    (simulator.state / "secret").write_text("x")

    assert ask(simulator, "GET", f"/onelake/{WORKSPACE}/%2e%2e/%2e%2e/secret").status_code == 404
