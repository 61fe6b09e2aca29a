"""The job of the chaos run: its fate follows from the id of its run, so that a seed repeats it.

Started by the Fabric simulator in place of the notebook runner: most jobs end without a version,
some fail, a few never end, and a few register a version as a training would.
"""

import argparse
import hashlib
import json
import os
import sys
import time
from pathlib import Path

FAILED, ENDLESS, REGISTERED = 45, 48, 52  # per cent, up to which a job fares so; the rest completes
ENDLESS_SECONDS = 3600
ENDLESS_TEXT = "PROGRESS 0.5 never ends"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m local.chaos.runner", description=__doc__)
    parser.add_argument("notebook", type=Path, nargs="?", help="not read")
    parser.add_argument("--parameters", type=Path, help="JSON file: an object of name to value")
    parser.add_argument("--prepare", action="store_true", help="make the MLflow database and end")
    given = parser.parse_args()
    if given.prepare:
        return _prepare()
    parameters = json.loads(given.parameters.read_text("utf-8"))
    return _work(parameters["run_id"], parameters["model"])


def _work(run_id: str, model: str) -> int:
    fate = int(hashlib.sha256(run_id.encode()).hexdigest()[:8], 16) % 100
    if fate < FAILED:
        print(f"out of memory in {run_id}", file=sys.stderr)
        return 1
    if fate < ENDLESS:
        print(ENDLESS_TEXT, flush=True)
        time.sleep(ENDLESS_SECONDS)
    elif fate < REGISTERED:
        _register(run_id, model)
    return 0


def _register(run_id: str, model: str) -> None:
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient

    client = MlflowClient(os.environ["MLFLOW_TRACKING_URI"])
    try:
        client.create_registered_model(model)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    client.create_model_version(model, "file:///nowhere", tags={"retrain_run_id": run_id})


def _prepare() -> int:
    from mlflow.tracking import MlflowClient

    MlflowClient(os.environ["MLFLOW_TRACKING_URI"]).search_registered_models(max_results=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
