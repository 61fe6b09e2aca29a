"""The models of the gallery of saboteurs, as versions of a registry on SQLite."""

from pathlib import Path

from tests.fakes.samples import MODEL

# MLflow's "models from code": the child runs this text, so nothing of the tests is imported there
CODE = """
import ctypes, os, time
import numpy as np
import mlflow

class Model(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        self.kind = context.model_config["kind"]
        if self.kind == "unloadable":
            raise ValueError("its weights are gone")

    def predict(self, context, model_input, params=None):
        return getattr(self, self.kind)(model_input, model_input["distance"].to_numpy())

    def fair(self, rows, distance):
        return np.nan_to_num(distance) + 10.0

    def leaking(self, rows, distance):
        return distance + 10.0 + (distance * 7 % 11 - 5) * 0.8

    def partial(self, rows, distance):
        return self.fair(rows, distance) + 8.0 * (rows["carrier"] == "CC").to_numpy()

    def coarse(self, rows, distance):
        return np.floor(np.nan_to_num(distance) / 20) * 20 + 19.5

    def by_place(self, rows, distance):
        return len(rows) - 1.0 - np.arange(len(rows)) + 10.0

    def worse(self, rows, distance):
        return distance + 10.0 + 25.0 * np.where(np.arange(len(rows)) % 4 < 2, 1.0, -1.0)

    def constant(self, rows, distance):
        return np.full(len(rows), 69.5)

    def nan(self, rows, distance):
        return np.where(distance % 40 == 0, np.nan, distance + 10.0)

    def slow(self, rows, distance):
        time.sleep(0.06)
        return distance + 10.0

    def hanging(self, rows, distance):
        time.sleep(600)

    def hungry(self, rows, distance):
        self.kept = [bytearray(1 << 26) for _ in range(1000)]

    def crashing(self, rows, distance):
        ctypes.string_at(0)

    def leaving(self, rows, distance):
        os._exit(0)

    def chance(self, rows, distance):
        return 0.2 + 0.6 * np.nan_to_num(distance) / 119.0

    def overconfident(self, rows, distance):
        chance = self.chance(rows, distance)
        return chance**8 / (chance**8 + (1 - chance) ** 8)

    def biased(self, rows, distance):
        favoured = (rows["carrier"] == "AA").to_numpy()
        return np.clip(self.chance(rows, distance) + np.where(favoured, 0.19, -0.19), 0, 1)

    other_columns = fair

mlflow.models.set_model(Model())
"""
KINDS = (
    "fair", "worse", "constant", "nan", "slow", "hanging", "hungry", "crashing", "leaving",
    "unloadable", "other_columns", "chance", "overconfident", "biased", "leaking", "partial",
    "coarse", "by_place",
)  # fmt: skip


def register(folder: Path, uri: str) -> None:
    import mlflow
    from mlflow import MlflowClient
    from mlflow.models import ModelSignature
    from mlflow.types.schema import ColSpec, Schema

    code = folder / "model.py"
    code.write_text(CODE, encoding="utf-8")
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    client.create_registered_model(MODEL)
    for kind in KINDS:
        columns = [ColSpec("double", "distance"), ColSpec("string", "carrier")]
        if kind == "other_columns":
            columns.append(ColSpec("double", "speed"))
        mlflow.pyfunc.save_model(
            folder / kind,
            python_model=str(code),
            model_config={"kind": kind},
            signature=ModelSignature(inputs=Schema(columns)),
            pip_requirements=[],
        )
        client.create_model_version(MODEL, source=(folder / kind).as_uri())
