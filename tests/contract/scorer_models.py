"""Models that the scorer's tests register: one of each kind, written as MLflow writes them."""

from pathlib import Path

NAME = "slot-revenue"
KINDS = (
    "good", "raises", "strings", "too_few", "nan", "unloadable", "segfault", "hang", "hungry",
    "leaves", "spy", "leaves_child", "probabilities", "torn", "order", "fragile", "moody",
    "brittle", "sleepy", "calls_home", "big_file", "limits", "garbled",
)  # fmt: skip

# MLflow's "models from code": the child runs this text, so nothing of the tests is imported there
MODEL = """
import os, resource, signal, socket, subprocess, sys, time
import numpy as np
import mlflow

SECRETS = ("SCORER_TEST_SECRET", "MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_URI")

class Model(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        self.kind = context.model_config["kind"]
        if self.kind == "unloadable":
            raise ValueError("the weights at https://store/w?sig=abc are gone\\n  see the log")

    def predict(self, context, model_input, params=None):
        return getattr(self, self.kind)(model_input)

    def good(self, rows):
        assert str(rows.dtypes["visits"]) == "int64"
        return rows["visits"] * 2.0 + (rows["zone"] == "a")

    def raises(self, rows):
        raise ValueError("a zone nobody knows")

    def strings(self, rows):
        return ["high"] * len(rows)

    def too_few(self, rows):
        return np.zeros(3)

    def nan(self, rows):
        return [None, 1.0, 2.0, 3.0, float("inf")]

    def probabilities(self, rows):
        return np.array([[0.25, 0.75]] * len(rows))

    def segfault(self, rows):
        os.kill(os.getpid(), signal.SIGSEGV)

    def hang(self, rows):
        time.sleep(600)

    def hungry(self, rows):
        self.kept = [bytearray(1 << 26) for _ in range(1000)]

    def leaves(self, rows):
        os._exit(0)

    def spy(self, rows):
        return [sum(name in os.environ for name in SECRETS)] * len(rows)

    def order(self, rows):
        return rows.iloc[:, 1].astype(float)

    def fragile(self, rows):
        if rows["coin_in"].isna().all():
            raise ValueError("no coin_in at all")
        return rows["visits"] * 2.0 + np.abs(rows["coin_in"].fillna(0.0)) * 10

    def moody(self, rows):
        return rows["visits"] - rows["visits"].mean()

    def brittle(self, rows):
        if rows["coin_in"].abs().max() > 1e300:
            os.kill(os.getpid(), signal.SIGSEGV)
        return rows["visits"] * 1.0

    def sleepy(self, rows):
        self.asked = getattr(self, "asked", 0) + 1
        time.sleep(600 if self.asked > 1 else 0)
        return np.zeros(len(rows))

    def calls_home(self, rows):
        socket.create_connection(("127.0.0.1", int(rows["visits"].iloc[0])), timeout=5)
        return np.zeros(len(rows))

    def big_file(self, rows):
        with open("big", "wb") as file:
            file.write(bytes(20 << 20))
        return np.zeros(len(rows))

    def limits(self, rows):
        files, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
        processes, hard = resource.getrlimit(resource.RLIMIT_NPROC)
        return [files, processes, hard, resource.getrlimit(resource.RLIMIT_CPU)[1], 0]

    def leaves_child(self, rows):
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", os.getcwd()])
        return np.zeros(len(rows))

mlflow.models.set_model(Model())
"""


def register_all(folder: Path, uri: str) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    client.create_registered_model(NAME)
    for kind in KINDS:
        client.create_model_version(NAME, source=_saved(folder, kind).as_uri())
    for file in (folder / "torn").iterdir():
        file.unlink()
    (folder / "garbled" / "MLmodel").write_text("flavors: {", encoding="utf-8")


def _saved(folder: Path, kind: str) -> Path:
    import mlflow
    from mlflow.types.schema import ColSpec, Schema

    code = folder / "model.py"
    code.write_text(MODEL, encoding="utf-8")
    columns = [
        ColSpec("double", "coin_in"), ColSpec("long", "visits"), ColSpec("string", "zone"),
    ]  # fmt: skip
    mlflow.pyfunc.save_model(
        folder / kind,
        python_model=str(code),
        model_config={"kind": kind},
        signature=mlflow.models.ModelSignature(inputs=Schema(columns)),
        pip_requirements=["mlflow"],
    )
    return folder / kind
