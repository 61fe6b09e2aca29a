"""The Scorer port: a version answers in a child process with a memory and a time limit.

Two children, one after the other. The first copies the version's files from the registry and runs
nothing of the model's; the second runs the model and gets neither the registry's address nor any
credential. So a bad model cannot take the worker down, and "the registry did not answer"
(Unavailable) and "the model is no good" (DataError) cannot be confused. The limits hold against
accidents; they are no sandbox against a hostile model.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from shared.adapters.registry.mlflow_environment import PATIENCE, QUIET
from shared.adapters.scoring import scoring_child as child
from shared.adapters.scoring.scoring_files import asked, read_answer, write_actual, write_rows
from shared.errors import DataError, NotFound, Refused, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pyarrow as pa

    from shared.ports import ModelVersion, Probe, Scored

LONGEST_MESSAGE = 500
"""Characters of a message that reaches the audit."""

_KEPT = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH")
_KEPT_FOR_REGISTRY = (
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE",
)  # fmt: skip
_ONE_THREAD = {
    # each thread reserves address space, which the memory limit counts, and a single-row call
    # is no faster for them
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "2",
    # the default pool reserves 1 GiB up front
    "ARROW_DEFAULT_MEMORY_POOL": "system",
}
_OUT_OF_MEMORY = re.compile(
    r"MemoryError|Cannot allocate memory|bad_alloc|failed to map segment|can't start new thread"
)
_SECRET = re.compile(r"(?i)(?<=://)[^/@\s]+(?=@)|(?<=[?&])\S+|(?<=bearer )\S+")
_AFTERWARDS = (child.PERMUTING, child.PROBING)
_DOING = {
    "loading": "could not be loaded",
    "predicting": "could not predict",
    "answering single rows": "could not answer a single row",
}


@dataclass(frozen=True)
class _End:
    """How a child ended.

    Attributes:
        code: the exit code, negative for a signal, None where it took too long.
        stage: the last stage it began.
        fault: what it says is wrong, or empty.
        error: the last exception on its stderr, on one line.
    """

    code: int | None
    stage: str
    fault: str
    error: str

    @property
    def out_of_memory(self) -> bool:
        return self.code == -signal.SIGKILL or bool(_OUT_OF_MEMORY.search(self.error))


class SubprocessScorer:
    """Scores versions of one registry; POSIX only, and without memory limit on macOS.

    Args:
        tracking_uri: MLflow's, as for its own client.
        memory_mb: address space of the scoring process, MiB. Python with MLflow, scikit-learn and
            Arrow takes 600 of it before any model.
        seconds: wall time, for each of the two processes.
        file_mb: size of any file the scoring process writes, MiB.
        processes: how many processes and threads it may start; root is not held by it.
        locations: address prefixes a version's files must lie under; None: anywhere.
        allow_pickled: whether a version may bring code that runs when it is loaded.
        credentials: variables for the registry alone, such as MLFLOW_TRACKING_TOKEN, asked for at
            each call because tokens expire.
        fetch: copies a version's files into a folder, for a registry whose credential stays in
            this process; NotFound: it has none. None: MLflow's client does it in a process apart.
    """

    def __init__(  # noqa: PLR0913 - settings, all but one by name
        self,
        tracking_uri: str,
        *,
        memory_mb: int,
        seconds: float,
        file_mb: int = 256,
        processes: int = 64,
        locations: Sequence[str] | None = None,
        allow_pickled: bool = True,
        credentials: Callable[[], Mapping[str, str]] = dict,
        fetch: Callable[[ModelVersion, Path], None] | None = None,
    ) -> None:
        self._uri = tracking_uri
        self._memory_mb = memory_mb
        self._seconds = seconds
        self._limits = {"file_mb": file_mb, "processes": processes}
        self._locations = None if locations is None else list(locations)
        self._allow_pickled = allow_pickled
        self._credentials = credentials
        self._copy = fetch

    def score(
        self,
        version: ModelVersion,
        rows: pa.Table,
        *,
        single_calls: int = 0,
        probe: Probe | None = None,
    ) -> Scored:
        """See ``ports.Scorer``."""
        if not rows.num_rows:
            raise DataError("there are no rows to score", subject=_name(version))
        with tempfile.TemporaryDirectory(prefix="scoring-", ignore_cleanup_errors=True) as name:
            folder = Path(name)
            self._write_task(folder, version, single_calls, probe)
            self._fetch(version, folder)
            write_rows(rows, folder / child.ROWS)
            if probe is not None:
                write_actual(probe, folder / child.ACTUAL)
            return self._answer(version, folder, rows.column_names if probe else ())

    def _write_task(
        self, folder: Path, version: ModelVersion, single_calls: int, probe: Probe | None
    ) -> None:
        limits = {**self._limits, "memory_mb": self._memory_mb, "seconds": self._seconds}
        task = {
            "uri": f"models:/{version.name}/{version.version}",
            "name": version.name,
            "version": version.version,
            "locations": self._locations,
            "allow_pickled": self._allow_pickled,
            "seconds": self._seconds,
            "limits": limits,
            "single_calls": single_calls,
            "probe": asked(probe),
        }
        (folder / child.TASK).write_text(json.dumps(task), encoding="utf-8")

    def _fetch(self, version: ModelVersion, folder: Path) -> None:
        if self._copy is not None:
            self._fetch_here(self._copy, version, folder)
            return
        store = self._uri.removeprefix("sqlite:///")
        if store != self._uri and not Path(store).is_file():
            # MLflow would make an empty one and answer that there is no such model
            raise Unavailable("the registry's database file is not there", subject=_name(version))
        credentials = self._credentials()
        environment = {**_kept(*_KEPT, *_KEPT_FOR_REGISTRY), **PATIENCE, **credentials}
        environment["MLFLOW_TRACKING_URI"] = self._uri
        end = _run("fetch", folder, environment, self._seconds, cwd=None)
        self._require_fetched(end, version, credentials)

    def _fetch_here(
        self, copy: Callable[[ModelVersion, Path], None], version: ModelVersion, folder: Path
    ) -> None:
        target = folder / child.FETCHED
        target.mkdir()
        try:
            copy(version, target)
        except NotFound as error:
            raise _data_error(version, f"could not be loaded: {error}") from error
        except Refused as error:  # a right that is missing says nothing of the model
            raise Unavailable(_clean(str(error), {}), subject=_name(version)) from error
        end = _run("accept", folder, _kept(*_KEPT), self._seconds, cwd=None)
        self._require_fetched(end, version, {})

    def _require_fetched(
        self, end: _End, version: ModelVersion, credentials: Mapping[str, str]
    ) -> None:
        if end.code == child.NOT_THERE:
            raise _data_error(version, f"could not be loaded: {end.fault}")
        if end.code != 0:
            why = end.error if end.code is not None else f"no answer in {self._seconds:g} s"
            raise Unavailable(_clean(f"the registry: {why}", credentials), subject=_name(version))

    def _answer(self, version: ModelVersion, folder: Path, features: Sequence[str]) -> Scored:
        end = _run("score", folder, _kept(*_KEPT) | _ONE_THREAD, self._seconds, cwd=folder)
        answered = (folder / child.ANSWER).is_file()
        if end.code != 0 and not (answered and end.stage.startswith(_AFTERWARDS)):
            raise _data_error(version, self._fault(end))
        if not answered:
            raise _data_error(version, f"ended by itself while {end.stage}, without an answer")
        why = self._fault(end) if end.code != 0 else f"ended by itself while {end.stage}"
        return read_answer(folder, features, _clean(why, {}))

    def _fault(self, end: _End) -> str:
        if end.code is None or end.code == -signal.SIGXCPU:
            return f"took longer than {self._seconds:g} s while {end.stage}"
        if end.code == child.UNUSABLE and end.fault:
            return end.fault
        if end.out_of_memory:
            return f"was ended by the memory limit of {self._memory_mb} MiB while {end.stage}"
        if end.code < 0:
            return f"crashed with {_signal_name(-end.code)} while {end.stage}"
        doing = _DOING.get(
            end.stage, f"ended while {end.stage}" if end.stage else "could not start"
        )
        return f"{doing}: {end.error or f'exit code {end.code}'}"


def _run(
    mode: str, folder: Path, environment: Mapping[str, str], seconds: float, *, cwd: Path | None
) -> _End:
    """Run one half in a process group of its own; nothing of the group is left afterwards."""
    command = [sys.executable, "-P", "-m", child.__name__, mode, str(folder)]
    own = {**QUIET, "PYTHONPATH": _search_path(), "HOME": str(folder), "TMPDIR": str(folder)}
    log = folder / f"{mode}.log"
    with log.open("wb") as stderr:
        process = subprocess.Popen(  # noqa: S603 - a fixed command, no shell
            command,
            env={**environment, **own},
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            start_new_session=True,
        )
        code = _wait(process, seconds)
    return _End(code, _text(folder / child.STAGE), _text(folder / child.FAULT), _last_error(log))


def _wait(process: subprocess.Popen[bytes], seconds: float) -> int | None:
    try:
        return process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        return None
    finally:
        # nothing to find: it ended, and had started nothing that still runs
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _last_error(log: Path) -> str:
    """Give the exception that ended a process, from its traceback, or its last line."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 65536))
        text = file.read().decode("utf-8", "replace")
    _, found, trace = text.rpartition("Traceback (most recent call last):\n")
    lines = [line for line in (trace if found else text).splitlines() if line.strip()]
    if not found:
        return lines[-1].strip() if lines else ""
    return " ".join(line.strip() for line in lines if not line.startswith(" "))


def _kept(*names: str) -> dict[str, str]:
    return {name: os.environ[name] for name in names if name in os.environ}


def _search_path() -> str:
    return os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path)


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _data_error(version: ModelVersion, message: str) -> DataError:
    return DataError(_clean(f"version {version.version} {message}", {}), subject=_name(version))


def _clean(message: str, credentials: Mapping[str, str]) -> str:
    """Make one short line without secrets."""
    for secret in filter(None, credentials.values()):
        message = message.replace(secret, "***")
    return _SECRET.sub("***", " ".join(message.split()))[:LONGEST_MESSAGE]


def _name(version: ModelVersion) -> str:
    return f"models/{version.name}/versions/{version.version}"


def _signal_name(number: int) -> str:
    return signal.Signals(number).name
