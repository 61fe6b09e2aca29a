"""The host as a process, on the probe app: what a caller and a function see of it."""

import base64
import json
import os
import signal
import socket
import sys
import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.queue import QueueServiceClient

from local.processes import ManagedProcess, start_process

PROBE_APP = Path(__file__).with_name("probe_app")
KEYS = {"default": "the-default-key", "_master": "the-master-key"}
ADMIN = {"x-functions-key": KEYS["_master"]}


@dataclass(frozen=True)
class Host:
    """A running host and the storage behind it."""

    process: ManagedProcess
    url: str
    prefix: str
    queues: QueueServiceClient
    stuck_file: Path

    def send(self, queue, body):
        client = self.queues.get_queue_client(f"{self.prefix}-{queue}")
        if f"{self.prefix}-{queue}" not in [each.name for each in self.queues.list_queues()]:
            client.create_queue()
        client.send_message(base64.b64encode(body.encode()).decode())

    def receive(self, queue):
        """Wait for a message and give its body, the message deleted."""
        client = self.queues.get_queue_client(f"{self.prefix}-{queue}")
        return eventually(lambda: self._taken(client))

    @staticmethod
    def _taken(client):
        try:
            message = client.receive_message()
        except ResourceNotFoundError:
            return None
        if message is None:
            return None
        client.delete_message(message)
        return base64.b64decode(message.content).decode()


def eventually(found, seconds=20):
    """Wait until ``found`` gives something."""
    deadline = time.monotonic() + seconds
    while (value := found()) is None:
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
    return value


def command(*arguments):
    return [sys.executable, "-m", "local.functions_host", "--app-dir", PROBE_APP, *arguments]


def environment(connection, prefix, folder):
    return {
        "AzureWebJobsStorage": connection,
        "PROBE": prefix,
        "PROBE_STUCK_FILE": str(folder / "stuck"),
    }


def settings_file(folder, **values):
    path = folder / "settings.json"
    defaults = {
        "AzureWebJobsStorage": "the environment's value wins over this one",
        "PROBE_SCHEDULE": "* * * * * *",
        "AzureWebJobs.switched_off.Disabled": "true",
    }
    path.write_text(json.dumps({"IsEncrypted": False, "Values": defaults | values}))
    return path


@contextmanager
def running_host(folder, connection, *extra):
    prefix = f"p{uuid.uuid4().hex[:8]}"
    keys, url_file = folder / "keys.json", folder / "url"
    keys.write_text(json.dumps(KEYS))
    arguments = ["--port", "0", "--settings", settings_file(folder), "--url-file", url_file]
    process = start_process(
        "functions host",
        command(*arguments, "--keys", keys, *extra),
        log=folder / "host.log",
        env=environment(connection, prefix, folder),
    )
    with process, QueueServiceClient.from_connection_string(connection) as queues:

        def ready():
            assert process.exit_code() is None, process.log_tail()
            return url_file.read_text() if url_file.exists() else None

        yield Host(process, eventually(ready), prefix, queues, folder / "stuck")


@pytest.fixture(scope="module")
def host(tmp_path_factory, azurite_connection):
    with running_host(tmp_path_factory.mktemp("host"), azurite_connection) as started:
        yield started


def test_ping_is_open_and_status_needs_the_master_key(host):
    assert requests.get(f"{host.url}/admin/host/ping", timeout=5).status_code == 200
    assert requests.get(f"{host.url}/admin/host/status", timeout=5).status_code == 401
    status = requests.get(f"{host.url}/admin/host/status", headers=ADMIN, timeout=5)
    assert status.json()["state"] == "Running"


def test_the_functions_are_listed_with_their_triggers(host):
    listed = requests.get(f"{host.url}/admin/functions", headers=ADMIN, timeout=5).json()

    kinds = {entry["name"]: (entry["trigger"], entry["isDisabled"]) for entry in listed}
    assert kinds["echo"] == ("httpTrigger", False)
    assert kinds["switched_off"] == ("queueTrigger", True)
    assert kinds["tick"] == ("timerTrigger", False)


def test_a_function_sees_the_request_as_the_real_host_sends_it(host):
    answer = requests.post(
        f"{host.url}/api/echo/credit?a=1&a=2&empty=",
        data="größe".encode(),
        headers={"x-functions-key": KEYS["default"], "X-Custom": "v"},
        timeout=5,
    )

    seen = answer.json()
    assert answer.status_code == 201
    assert answer.headers["content-type"] == "application/json"
    assert answer.cookies["a"] == "1"
    assert seen["model"] == "credit"
    assert seen["params"] == {"a": "1,2"}
    assert seen["body"] == "größe"
    assert "x-custom" in seen["headers"]
    assert seen["function"] == "echo"
    assert Path(seen["directory"]) == PROBE_APP
    assert uuid.UUID(seen["invocation"])


@pytest.mark.parametrize(
    ("method", "path", "key", "status"),
    [
        ("GET", "open?who=me", "", 200),
        ("GET", "echo/credit", "", 401),
        ("GET", "echo/credit", "wrong", 401),
        ("GET", "echo/credit", "default", 201),
        ("GET", "echo/credit", "_master", 201),
        ("GET", "master", "default", 401),
        ("GET", "master", "_master", 200),
        ("GET", "echo/42", "_master", 404),
        ("GET", "absent", "_master", 404),
        ("DELETE", "echo/credit", "_master", 405),
        ("GET", "broken", "", 500),
        ("GET", "nothing", "", 500),
        ("GET", "silent", "", 204),
    ],
)
def test_routes_methods_and_keys_decide_the_status(host, method, path, key, status):
    separator = "&" if "?" in path else "?"
    query = f"{separator}code={KEYS.get(key, key)}" if key else ""

    answer = requests.request(method, f"{host.url}/api/{path}{query}", timeout=5)

    assert answer.status_code == status
    if status >= 400:
        assert answer.content == b""


def test_a_body_over_the_limit_is_refused(host):
    with socket.create_connection(host.url.removeprefix("http://").split(":")) as client:
        head = "POST /api/open HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        client.sendall(head.encode())
        chunk = b"1000000\r\n" + bytes(0x1000000) + b"\r\n"  # 16 MiB
        try:
            for _ in range(7):
                client.sendall(chunk)
        except ConnectionError:
            pass  # it may close as soon as it has had enough
        assert client.recv(64).startswith(b"HTTP/1.1 413")


def test_outputs_are_sent_and_a_returned_value_goes_on_to_its_queue(host):
    answer = requests.post(f"{host.url}/api/send", data="hello", headers=ADMIN, timeout=5)

    relayed = json.loads(host.receive("returned"))
    assert answer.text == "sent"
    assert relayed["body"] == "hello"
    assert relayed["dequeue_count"] == 1
    assert all(moment.endswith("+00:00") for moment in relayed["times"])
    assert {host.receive("many") for _ in range(3)} == {"one", "two", "three"}


def test_a_failing_message_ends_in_the_poison_queue(host):
    host.send("in", "fail")

    assert host.receive("in-poison") == "fail"


def test_a_disabled_function_leaves_its_queue_alone(host):
    host.send("off", "kept")
    host.send("in", "marker")
    while json.loads(host.receive("returned"))["body"] != "marker":
        pass

    assert host.receive("off") == "kept"


def test_a_timer_fires_every_second_and_is_told_the_next_occurrence(host):
    first, second = (json.loads(host.receive("ticks")) for _ in range(2))

    assert first["past_due"] is False
    assert first["next"] < second["next"]


def test_a_queue_function_can_be_started_by_hand_whatever_the_case_of_its_name(host):
    answer = requests.post(
        f"{host.url}/admin/functions/RELAY", json={"input": "by hand"}, headers=ADMIN, timeout=5
    )

    assert answer.status_code == 202
    bodies = iter(lambda: json.loads(host.receive("returned"))["body"], None)
    assert "by hand" in bodies


@pytest.mark.parametrize(
    ("name", "body", "headers", "status"),
    [
        ("tick", "{}", ADMIN, 202),
        ("tick", "{}", {}, 401),
        ("tick", "", ADMIN, 400),
        ("tick", "[]", ADMIN, 400),
        ("absent", "{}", ADMIN, 404),
        ("echo", "{}", ADMIN, 400),
    ],
)
def test_starting_by_hand_needs_the_master_key_a_known_name_and_json(
    host, name, body, headers, status
):
    url = f"{host.url}/admin/functions/{name}"

    assert requests.post(url, data=body, headers=headers, timeout=5).status_code == status


def test_the_log_has_a_line_for_each_invocation_and_no_secret(host, azurite_connection):
    requests.get(f"{host.url}/api/broken?code={KEYS['_master']}", timeout=5)
    requests.get(f"{host.url}/api/open", timeout=5)

    log = host.process.log.read_text()
    secrets = [*KEYS.values(), azurite_connection.split("AccountKey=")[1].split(";")[0]]
    assert "Executed 'open_to_all' (Succeeded, Id=" in log
    assert "Executed 'broken' (Failed, Id=" in log
    assert "RuntimeError: broken on purpose" in log
    assert not [secret for secret in secrets if secret in log]


def test_without_auth_every_route_is_open(tmp_path, azurite_connection):
    with running_host(tmp_path, azurite_connection, "--no-auth", "--no-timers") as started:
        assert requests.get(f"{started.url}/api/master", timeout=5).status_code == 200
        assert requests.get(f"{started.url}/admin/host/status", timeout=5).status_code == 200


def stopped(host, seconds):
    os.kill(host.process.pid, signal.SIGTERM)
    return host.process.wait(seconds)


def test_sigterm_lets_a_running_invocation_finish(tmp_path, azurite_connection):
    with running_host(tmp_path, azurite_connection, "--no-timers") as started:
        started.send("slow", "2")
        eventually(lambda: True if began(started, "slow") else None)

        code = stopped(started, 15)

        assert code == 0
        assert started.receive("slow-started") == "slept 2"
        assert "Executed 'slow' (Succeeded" in started.process.log.read_text()


def test_sigterm_releases_what_does_not_finish_in_time(tmp_path, azurite_connection):
    with running_host(tmp_path, azurite_connection, "--drain-seconds", "0.5") as started:
        started.send("stuck", "forever")
        eventually(lambda: True if started.stuck_file.exists() else None)

        code = stopped(started, 10)

        assert code == 0
        assert "abandoned" in started.process.log.read_text()
        assert started.receive("stuck") == "forever"


def began(host, queue):
    """Tell whether the only message of a queue is out of sight: leased, not yet deleted."""
    client = host.queues.get_queue_client(f"{host.prefix}-{queue}")
    return not list(client.peek_messages())


def refusal(tmp_path, connection, *arguments, **settings):
    """Start a host that cannot start, and give its exit code and its log."""
    process = start_process(
        "functions host",
        command("--settings", settings_file(tmp_path, **settings), *arguments),
        log=tmp_path / "host.log",
        env=environment(connection, "p", tmp_path),
    )
    with process:
        code = process.wait(20)
    return code, process.log.read_text()


def test_all_startup_errors_are_told_and_the_exit_code_is_not_zero(tmp_path, azurite_connection):
    code, log = refusal(
        tmp_path,
        azurite_connection,
        *("--keys", tmp_path / "absent.json"),
        PROBE_SCHEDULE="every day",
    )

    assert code == 1
    assert "The host did not start, for 2 reasons:" in log
    assert "absent.json cannot be read: No such file or directory" in log
    assert "function 'tick', timerTrigger 'timer', schedule: 'every day' is not NCRONTAB" in log
    assert "Traceback" not in log


def test_a_queue_service_that_does_not_answer_is_told(tmp_path, azurite_connection):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    dead = (
        f"DefaultEndpointsProtocol=http;AccountName=a;AccountKey=a2V5;"
        f"QueueEndpoint=http://127.0.0.1:{port}/a;"
    )

    code, log = refusal(tmp_path, dead, "--no-auth")

    assert code == 1
    assert f"no queue service answers at 127.0.0.1:{port}; is Azurite started?" in log


def test_a_port_in_use_is_told(tmp_path, azurite_connection):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        code, log = refusal(tmp_path, azurite_connection, "--no-auth", "--port", str(port))

    assert code == 1
    assert f"port {port} cannot be used" in log


def test_an_app_that_cannot_be_imported_is_told_with_its_traceback(tmp_path):
    (tmp_path / "host.json").write_text('{"version": "2.0"}')
    (tmp_path / "function_app.py").write_text("import no_such_module\n")
    argv = [sys.executable, "-m", "local.functions_host", "--no-auth", "--app-dir", tmp_path]

    with start_process("functions host", argv, log=tmp_path / "host.log") as process:
        code = process.wait(20)

    log = process.log.read_text()
    assert code == 1
    assert "function_app.py cannot be loaded: ModuleNotFoundError" in log
    assert 'function_app.py", line 1, in <module>' in log


def test_keys_or_no_auth_must_be_chosen(tmp_path, azurite_connection):
    code, log = refusal(tmp_path, azurite_connection)

    assert code == 2
    assert "give --keys FILE, or --no-auth" in log
