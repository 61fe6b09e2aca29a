"""The command line: ``python -m local.functions_host --app-dir DIR --keys FILE``."""

import argparse
import asyncio
import logging
import os
import signal
import sys
from datetime import timedelta
from pathlib import Path

from local.functions_host.errors import StartupFailed
from local.functions_host.host import FunctionsHost, HostArguments
from local.functions_host.startup import Sources, check_storage, load
from shared.adapters.clock import SystemClock

logger = logging.getLogger("functions_host")

_STARTUP_FAILED = 1


def main(arguments: list[str] | None = None) -> int:
    """Run the host until SIGTERM or SIGINT; give the exit code: 1 if it could not start."""
    options = _parser().parse_args(arguments)
    if options.keys is None and not options.no_auth:
        _parser().error("give --keys FILE, or --no-auth to leave all routes open")
    _log_to_stderr()
    try:
        return asyncio.run(_run(options))
    except StartupFailed as failure:
        _tell(failure)
        return _STARTUP_FAILED


async def _run(options: argparse.Namespace) -> int:
    app = load(_sources(options))
    await check_storage(app)
    drain = timedelta(seconds=options.drain_seconds)
    arguments = HostArguments(options.port, timers=not options.no_timers, drain=drain)
    host = FunctionsHost(app, arguments, SystemClock())
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    _announce(await host.start(), options.url_file)
    await stop.wait()
    if not await host.stop():
        _abandon_threads()
    return 0


def _sources(options: argparse.Namespace) -> Sources:
    """Resolve the paths, then work in the app's folder as the real worker does."""
    settings = options.settings.resolve() if options.settings else None
    keys = None if options.no_auth else options.keys.resolve()
    sources = Sources(options.app_dir.resolve(), settings, keys)
    if options.url_file:
        options.url_file = options.url_file.resolve()
    if sources.app_dir.is_dir():
        os.chdir(sources.app_dir)
    os.environ.setdefault("AZURE_FUNCTIONS_ENVIRONMENT", "Development")
    os.environ.setdefault("AzureWebJobsScriptRoot", str(sources.app_dir))
    return sources


def _announce(url: str, url_file: Path | None) -> None:
    print(f"Listening on {url}", flush=True)
    if url_file:
        draft = url_file.with_suffix(".new")
        draft.write_text(url, encoding="utf-8")
        draft.replace(url_file)


def _abandon_threads() -> None:
    """End the process at once: Python would wait for its threads, however long they take."""
    logger.warning("Functions still running after the drain are abandoned")
    logging.shutdown()
    sys.stdout.flush()
    os._exit(0)


def _tell(failure: StartupFailed) -> None:
    count = len(failure.problems)
    print(f"The host did not start, for {count} reason{'s'[: count > 1]}:", file=sys.stderr)
    for problem in failure.problems:
        print(f"  - {problem}", file=sys.stderr)


def _log_to_stderr() -> None:
    line = "%(asctime)s %(levelname)s %(name)s: %(message)s"
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format=line)
    # The SDK's lines tell each request of each poll.
    logging.getLogger("azure.core").setLevel(logging.WARNING)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local.functions_host", description=__doc__)
    add = parser.add_argument
    add("--app-dir", type=Path, required=True, help="folder of function_app.py and host.json")
    add("--port", type=int, default=7071, help="port on 127.0.0.1, 0 for a free one")
    add("--settings", type=Path, help="default: local.settings.json in the app's folder, if any")
    add("--keys", type=Path, help='JSON file {"default": ..., "_master": ...}')
    add("--no-auth", action="store_true", help="enforce no keys, as 'func start' does")
    add("--no-timers", action="store_true", help="timers fire by hand only")
    add("--url-file", type=Path, help="write the URL here when ready")
    add("--drain-seconds", type=float, default=10, help="bound for running invocations on stop")
    return parser


if __name__ == "__main__":
    sys.exit(main())
