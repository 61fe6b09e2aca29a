"""The training of the people's world: registers a version, as a notebook on Fabric does.

Started by the Fabric simulator in place of the notebook runner; also makes the world's first
version. Models come from code, so that nothing of the tests is imported when they answer.
"""

import argparse
import json
import os
from datetime import UTC, datetime
from pathlib import Path

HOLDOUT = "lh_gold.flights_holdout"
CODE = """
import mlflow
import numpy as np

class Model(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        self.off = context.model_config["off"]

    def predict(self, context, model_input, params=None):
        # odd rows are answered too: a gate asks
        return np.nan_to_num(model_input["distance"].to_numpy(dtype=float)) + 10.0 + self.off

mlflow.models.set_model(Model())
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("notebook", type=Path, help="not read")
    parser.add_argument("--parameters", type=Path, required=True)
    given = json.loads(parser.parse_args().parameters.read_text(encoding="utf-8"))
    folder = Path(os.environ["LAKEHOUSE_ROOT"]).parent / "models" / given["run_id"]
    register(
        folder,
        os.environ["MLFLOW_TRACKING_URI"],
        given["model"],
        given["run_id"],
        off=given.get("off", 0.0),
    )


def register(folder: Path, uri: str, model: str, run_id: str, *, off: float) -> None:
    """Register a version that answers ``off`` beside what becomes true."""
    import mlflow
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException
    from mlflow.models import ModelSignature
    from mlflow.types.schema import ColSpec, Schema

    folder.mkdir(parents=True)
    (folder / "model.py").write_text(CODE, encoding="utf-8")
    mlflow.pyfunc.save_model(
        folder / "files",
        python_model=str(folder / "model.py"),
        model_config={"off": off},
        signature=ModelSignature(inputs=Schema([ColSpec("double", "distance")])),
        pip_requirements=[],
    )
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    try:
        client.create_registered_model(model)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    source = (folder / "files").as_uri()
    client.create_model_version(model, source, tags=lineage(run_id))


def lineage(run_id: str) -> dict[str, str]:
    """Give what a training job puts on record of how a version was made."""
    return {
        "retrain_run_id": run_id,
        "training_data_table": "lh_gold.flights",
        "training_data_version": "0",
        "training_end": datetime.now(UTC).isoformat(),
        "git_sha": "c0ffee0",
        "requirements": "mlflow==3.17.0",
        "holdout_table": HOLDOUT,
        "holdout_version": "0",
    }


if __name__ == "__main__":
    main()
