"""Fabric's answers byte by byte: what the simulator does not say and the service may."""

import json
import socket
import threading
from pathlib import Path
from typing import Any, Self

import pytest
from azure.core.credentials import AccessToken

from shared.adapters.fabric_http import CAPACITY_WAIT_SECONDS
from shared.errors import Refused, Throttled, Unavailable
from tests.contract.jobs_worlds import TOKEN, UNKNOWN, adapter, items


class OneAnswer:
    """Gives one raw HTTP answer a connection and keeps what was asked."""

    def __init__(self, answer: str) -> None:
        self._answer = answer.replace("\n", "\r\n").encode()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.settimeout(10)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/v1"
        self.asked: list[str] = []
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join(10)
        self._socket.close()

    def _serve(self) -> None:
        connection, _ = self._socket.accept()
        with connection:
            self.asked.append(_request(connection))
            # before the answer: who asks again is refused at once, instead of waiting out its time
            self._socket.close()
            connection.sendall(self._answer)


def _request(connection: socket.socket) -> str:
    with connection.makefile("rb") as stream:
        lines = list(iter(stream.readline, b"\r\n"))
        lengths = [
            line.split(b":")[1] for line in lines if line.lower().startswith(b"content-length")
        ]
        body = stream.read(int(lengths[0]) if lengths else 0)
    return (b"".join(lines) + b"\r\n" + body).decode()


def raw(status: str, *headers: str, body: str = "") -> str:
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "Connection: close"]
    return "\n".join(lines) + "\n\n" + body


def test_a_redirect_is_not_followed_with_the_token():
    with (
        socket.create_server(("127.0.0.1", 0)) as elsewhere,
        OneAnswer(
            raw("307 Temporary", f"Location: http://127.0.0.1:{elsewhere.getsockname()[1]}/")
        ) as server,
    ):
        with pytest.raises(Refused):
            adapter(server.url).get(items(0), UNKNOWN)

        elsewhere.settimeout(0.2)
        with pytest.raises(TimeoutError):
            elsewhere.accept()


def test_a_request_says_who_asks_and_carries_the_form_that_works():
    with OneAnswer(raw("202 Accepted")) as server:
        adapter(server.url).start(items(0), {"run_id": "run-1"})

    head, _, body = server.asked[0].partition("\r\n\r\n")
    assert f"/items/{items(0).pipeline_id}/jobs/instances?jobType=Pipeline " in head
    assert "User-Agent: retrain-loop/0.1.0" in head
    assert f"Authorization: Bearer {TOKEN}" in head
    assert json.loads(body) == {"executionData": {"parameters": {"run_id": "run-1"}}}


LISTED = [{"name": "run_id", "type": "Text", "value": "run-1"}]


@pytest.mark.parametrize(
    ("form", "job_type", "body"),
    [
        ("pipeline_map", "Pipeline", {"executionData": {"parameters": {"run_id": "run-1"}}}),
        ("pipeline_list", "Pipeline", {"parameters": LISTED}),
        (
            "notebook_map",
            "RunNotebook",
            {"executionData": {"parameters": {"run_id": {"type": "string", "value": "run-1"}}}},
        ),
        ("notebook_list", "RunNotebook", {"parameters": LISTED}),
        ("spark_job", "sparkjob", {"executionData": {"commandLineArguments": "--run_id run-1"}}),
    ],
)
def test_each_form_has_its_job_type_and_body(form: Any, job_type: str, body: dict[str, Any]):
    chosen = items(0).model_copy(update={"start_form": form})

    with OneAnswer(raw("202 Accepted")) as server:
        adapter(server.url).start(chosen, {"run_id": "run-1"})

    head, _, sent = server.asked[0].partition("\r\n\r\n")
    assert f"jobType={job_type} " in head
    assert json.loads(sent) == body


def test_only_a_pipeline_is_asked_for_its_activities():
    notebook = items(0).model_copy(update={"start_form": "notebook_map"})

    assert adapter("http://127.0.0.1:9").failure_text(notebook, UNKNOWN) == ""


@pytest.mark.parametrize("code", ["CapacityNotActive", "WorkspaceHasNoCapacityAssigned"])
def test_a_paused_capacity_is_no_refusal_but_a_long_wait(code: str):
    body = f'{{"errorCode":"{code}","message":"the capacity is paused"}}'

    with OneAnswer(raw("400 Bad", body=body)) as server, pytest.raises(Throttled) as caught:
        adapter(server.url).start(items(0), {})

    assert caught.value.overloaded
    assert caught.value.retry_after >= CAPACITY_WAIT_SECONDS
    assert code in str(caught.value)


def test_a_blocked_request_waits_what_it_is_told_and_is_no_overload():
    answer = raw("429 Too Many", "Retry-After: 57", body='{"errorCode":"RequestBlocked"}')

    with OneAnswer(answer) as server, pytest.raises(Throttled) as caught:
        adapter(server.url).start(items(0), {})

    assert (caught.value.retry_after, caught.value.overloaded) == (57, False)


class Credential:
    """Gives tokens, and keeps what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def get_token(self, *_: str, **options: Any) -> AccessToken:
        self.asked.append(options)
        return AccessToken(f"token-{len(self.asked)}", 2**33)


@pytest.mark.parametrize(
    ("challenge", "options"),
    [
        ('Bearer error="insufficient_claims", claims="eyJhIjoiYiJ9"', {"claims": '{"a":"b"}'}),
        ('Bearer error="insufficient_claims", claims="_w"', {}),
        ('Bearer error="invalid_token"', {}),
    ],
)
def test_a_token_that_is_not_accepted_is_asked_for_anew_as_the_answer_demands(
    challenge: str, options: dict[str, Any]
):
    credential = Credential()
    refusal = raw("401 Unauthorized", f"WWW-Authenticate: {challenge}")

    with OneAnswer(refusal) as server, pytest.raises(Unavailable):
        adapter(server.url, credential).get(items(0), UNKNOWN)

    assert credential.asked == [{}, options]


def test_a_password_file_does_not_replace_the_token(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login someone password else\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))

    with OneAnswer(raw("202 Accepted")) as server:
        adapter(server.url).start(items(0), {})

    assert f"Authorization: Bearer {TOKEN}\r\n" in server.asked[0]


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        (("Retry-After: 57",), 57),
        (("Retry-After: 1.5",), 1.5),
        (
            (
                "Date: Wed, 03 Sep 2025 06:53:11 GMT",
                "Retry-After: Wed, 03 Sep 2025 06:54:11 GMT",
            ),
            60,
        ),
        (("Date: Wed, 03 Sep 2025 07:00:00 GMT", "Retry-After: Wed, 03 Sep 2025 06:54:11 GMT"), 0),
        (("Retry-After: soon",), 60),
        (("Retry-After: -5",), 60),
        (("Retry-After: nan",), 60),
        ((), 60),
    ],
)
def test_retry_after_is_read_in_both_its_forms(headers: tuple[str, ...], seconds: float):
    with (
        OneAnswer(raw("429 Too Many", *headers, body='{"errorCode":"RequestBlocked"}')) as server,
        pytest.raises(Throttled) as caught,
    ):
        adapter(server.url).get(items(0), UNKNOWN)

    assert caught.value.retry_after == seconds


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        ("400 Bad", '{"errorCode":"InvalidJobType","message":"no"}', Refused),
        ("400 Bad", '{"errorCode":"X","isRetriable":true}', Unavailable),
        ("403 Forbidden", "<html>", Refused),
        ("430 Too Many", "{}", Throttled),
        ("408 Timeout", "", Unavailable),
        ("503 Busy", '{"errorCode":"CapacityLimitExceeded"}', Throttled),
        ("200 OK", "[]", Unavailable),
        ("200 OK", '{"id":"1"}', Unavailable),
        ("200 OK", "<html>", Unavailable),
        ("200 OK", "", Unavailable),
    ],
)
def test_every_answer_has_its_error(status: str, body: str, error: type[Exception]):
    with OneAnswer(raw(status, body=body)) as server, pytest.raises(error) as caught:
        adapter(server.url).get(items(0), UNKNOWN)

    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"2026-04-27T07:11:35.2470885"', "2026-04-27T07:11:35.247088+00:00"),
        ('"2026-04-27T09:11:35+02:00"', "2026-04-27T07:11:35+00:00"),
        ('"0001-01-01T00:00:00"', None),
        ("null", None),
        ('"yesterday"', None),
    ],
)
def test_start_times_come_in_many_forms(text: str, expected: str | None):
    body = f'{{"id":"1","status":"Completed","startTimeUtc":{text}}}'

    with OneAnswer(raw("200 OK", body=body)) as server:
        job = adapter(server.url).get(items(0), "1")

    assert (job.started_at.isoformat() if job.started_at else None) == expected
