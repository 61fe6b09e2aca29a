"""The command line of the simulator: ``python -m local.fabric_simulator``."""

import argparse
import sys
from pathlib import Path

from aiohttp import web

from local.fabric_simulator.app import create_app
from local.fabric_simulator.items import ItemFormatError, Items
from local.fabric_simulator.settings import Settings
from shared.adapters.clock import OffsetClock, SystemClock

_HOST = "127.0.0.1"


def main() -> int:
    options = _parser().parse_args()
    clock = OffsetClock(options.clock_file) if options.clock_file else SystemClock()
    try:
        app = create_app(Items(options.items), options.state, clock, _settings(options))
        web.run_app(app, host=_HOST, port=options.port, access_log=None, shutdown_timeout=1.0)
    except (ItemFormatError, OSError) as error:
        print(f"the Fabric simulator cannot start: {error}", file=sys.stderr)
        return 1
    return 0


def _settings(options: argparse.Namespace) -> Settings:
    environment = {
        "LAKEHOUSE_ROOT": options.lakehouse_root,
        "MLFLOW_TRACKING_URI": options.mlflow_tracking_uri,
    }
    return Settings(
        workspace_id=options.workspace_id,
        token=options.token,
        retry_after_seconds=options.retry_after,
        queue_seconds=options.queue_seconds,
        page_size=options.page_size,
        allow_typed_parameters=options.allow_typed_parameters,
        runner_module=options.runner_module,
        registry_store=options.registry_store,
        registry_without=tuple(options.registry_without),
        notebook_environment={name: value for name, value in environment.items() if value},
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local.fabric_simulator", description=__doc__)
    add = parser.add_argument
    add("--port", type=int, required=True, help="port on 127.0.0.1")
    add("--workspace-id", required=True, help="the one workspace there is")
    add("--items", type=Path, required=True, help="folder of items in Fabric's git format")
    add("--state", type=Path, required=True, help="folder for jobs and what they print")
    add("--retry-after", type=int, default=1, help="seconds, in every Retry-After (1)")
    add("--token", help="the only bearer token accepted (any)")
    add("--clock-file", type=Path, help="file with the clock's offset (the machine's time)")
    add("--queue-seconds", type=float, default=0.2, help="how long a job is NotStarted (0.2)")
    add("--page-size", type=int, default=100, help="job instances a page (100)")
    add(
        "--allow-typed-parameters",
        action="store_true",
        help="take the typed parameter list for pipelines too",
    )
    add("--runner-module", default="local.notebook_runner", help="what executes a notebook")
    add("--registry-store", default="", help="MLflow's database, sqlite:///… (no registry)")
    add(
        "--registry-without",
        action="append",
        default=[],
        choices=("aliases", "stages", "tags"),
        help="what the registry lacks; may be given more than once",
    )
    add("--lakehouse-root", help="LAKEHOUSE_ROOT of the notebooks")
    add("--mlflow-tracking-uri", help="MLFLOW_TRACKING_URI of the notebooks")
    return parser


if __name__ == "__main__":
    sys.exit(main())
