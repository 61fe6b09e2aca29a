"""Server processes: started, waited for, ended, and never left behind."""

import signal
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest

from local.processes import (
    PortTakenError,
    ProcessError,
    free_port,
    free_ports,
    require_free,
    start_process,
    wait_until_ready,
)

SERVER = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1"]
PARENT = """
import subprocess, sys, time
from pathlib import Path
from threading import Thread
from local.processes import start_process

def start():
    code = (
        "import subprocess, sys, time;"
        "print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']).pid,"
        " flush=True);"
        "time.sleep(600)"
    )
    print(start_process("child", [sys.executable, "-c", code], log=Path(sys.argv[1])).pid,
          flush=True)

# a thread that is gone while its child still runs: the death signal of Linux would fire here
thread = Thread(target=start)
thread.start()
thread.join()
time.sleep(600)
"""


def wait_for(condition, what, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds} s"
        time.sleep(0.02)


def gone(pid):
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def python(code):
    return [sys.executable, "-c", textwrap.dedent(code)]


def test_a_server_is_ready_when_its_url_answers(tmp_path):
    port = free_port()

    with start_process("web", [*SERVER, str(port)], log=tmp_path / "web.log", cwd=tmp_path) as web:
        wait_until_ready(web, f"http://127.0.0.1:{port}/")

        assert web.exit_code() is None
        assert psutil.Process(web.pid).cmdline()[1:3] == ["-m", "http.server"]
    assert gone(web.pid)


def test_a_server_is_ready_when_its_port_accepts(tmp_path):
    port = free_port()

    with start_process("web", [*SERVER, str(port)], log=tmp_path / "web.log", cwd=tmp_path) as web:
        wait_until_ready(web, port)

        with socket.create_connection(("127.0.0.1", port), timeout=1):
            assert web.exit_code() is None


def test_a_server_that_dies_first_is_reported_with_its_exit_code_and_last_words(tmp_path):
    code = "import sys; print('no licence', file=sys.stderr); sys.exit(3)"

    with (
        start_process("web", python(code), log=tmp_path / "web.log") as web,
        pytest.raises(ProcessError, match=r"(?s)web ended with exit code 3 .*no licence"),
    ):
        wait_until_ready(web, free_port())


def test_a_server_that_stays_silent_is_reported_when_time_is_up(tmp_path):
    with (
        start_process("mute", python("import time; time.sleep(60)"), log=tmp_path / "log") as mute,
        pytest.raises(ProcessError, match=r"mute gave no answer at \d+ within 0.2 s"),
    ):
        wait_until_ready(mute, free_port(), timeout_seconds=0.2)


def test_an_answer_of_another_server_on_the_port_does_not_count(tmp_path):
    port = free_port()

    with start_process("web", [*SERVER, str(port)], log=tmp_path / "a.log", cwd=tmp_path) as web:
        wait_until_ready(web, port)
        with start_process("late", [*SERVER, str(port)], log=tmp_path / "b.log") as late:
            late.wait(10)
            with pytest.raises(ProcessError, match="Address already in use"):
                wait_until_ready(late, port)


def test_a_program_that_does_not_exist_is_reported_by_name(tmp_path):
    with pytest.raises(ProcessError, match="cannot start /nowhere/node: No such file"):
        start_process("node", ["/nowhere/node"], log=tmp_path / "node.log")


def test_stop_lets_a_server_finish_its_work(tmp_path):
    saved = tmp_path / "saved"
    code = f"""
        import signal, sys, time
        def save(*_):
            open({str(saved)!r}, "w").close()
            sys.exit(0)
        signal.signal(signal.SIGTERM, save)
        print("up", flush=True)
        time.sleep(60)
    """
    process = start_process("db", python(code), log=tmp_path / "db.log")
    wait_for(lambda: "up" in process.log_tail(), "start")

    exit_code = process.stop()

    assert exit_code == 0
    assert saved.exists()


def test_stop_kills_what_ignores_the_request(tmp_path):
    code = """
        import signal, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print("up", flush=True)
        time.sleep(60)
    """
    process = start_process("deaf", python(code), log=tmp_path / "log", grace_seconds=0.3)
    wait_for(lambda: "up" in process.log_tail(), "start")
    began = time.monotonic()

    exit_code = process.stop()

    assert exit_code == 128 + signal.SIGKILL
    assert 0.3 <= time.monotonic() - began < 5


def test_a_worker_that_its_server_left_behind_is_ended_too(tmp_path):
    code = """
        import subprocess, sys
        print(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]).pid)
    """

    process = start_process("careless", python(code), log=tmp_path / "log")
    process.wait(10)

    worker = int(process.log_tail())
    wait_for(lambda: gone(worker), "the worker's end")


def test_kill_runs_no_clean_up(tmp_path):
    code = """
        import signal, sys, time
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        print("up", flush=True)
        time.sleep(60)
    """
    process = start_process("worker", python(code), log=tmp_path / "log")
    wait_for(lambda: "up" in process.log_tail(), "start")

    exit_code = process.kill()

    assert exit_code == 128 + signal.SIGKILL
    assert process.kill() == exit_code


def test_nothing_is_left_behind_when_the_starter_is_killed(tmp_path):
    log = tmp_path / "child.log"
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(log)], stdout=subprocess.PIPE, text=True
    ) as parent:
        child = int(parent.stdout.readline())
        wait_for(lambda: log.read_text().strip().isdigit(), "the grandchild's start")
        grandchild = int(log.read_text())
        assert not gone(child)

        parent.send_signal(signal.SIGKILL)

        wait_for(lambda: gone(child), "the child's end")
        wait_for(lambda: gone(grandchild), "the grandchild's end")


@pytest.mark.skipif(sys.platform != "linux", reason="the parent death signal is Linux's")
def test_a_server_ends_with_its_guardian(tmp_path):
    process = start_process("web", python("import time; time.sleep(60)"), log=tmp_path / "log")

    psutil.Process(process.pid).parent().kill()

    wait_for(lambda: gone(process.pid), "the server's end")
    process.stop()
    assert gone(process.pid)


def test_variables_are_added_to_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("KEPT", "yes")
    code = "import os; print(os.environ['KEPT'], os.environ['ADDED'])"

    process = start_process("env", python(code), log=tmp_path / "deep" / "log", env={"ADDED": "1"})
    process.wait(10)

    assert (tmp_path / "deep" / "log").read_text() == "yes 1\n"


def test_waiting_for_the_end_has_a_bound(tmp_path):
    with (
        start_process("web", python("import time; time.sleep(60)"), log=tmp_path / "log") as web,
        pytest.raises(ProcessError, match=r"web still runs after 0\.1 s"),
    ):
        web.wait(0.1)


def test_free_ports_differ():
    ports = free_ports(20)

    assert len(set(ports)) == 20


def test_a_port_that_is_listened_on_is_not_free(tmp_path: Path):
    port = free_port()
    require_free(port, "the web")

    with start_process("web", [*SERVER, str(port)], log=tmp_path / "log", cwd=tmp_path) as web:
        wait_until_ready(web, port)
        with pytest.raises(PortTakenError, match=f"port {port} for the web cannot be used"):
            require_free(port, "the web")
