"""Importing the app: ``function_app`` from its folder, and the functions it declares."""

import importlib
import sys
import traceback
from pathlib import Path

import azure.functions as func

from local.functions_host.errors import StartupFailed


def load_app(app_dir: Path) -> list[func.Function]:
    """Import ``function_app`` from ``app_dir``; StartupFailed tells what the import raised."""
    if not (app_dir / "function_app.py").is_file():
        raise StartupFailed([f"{app_dir} holds no function_app.py"])
    sys.path.insert(0, str(app_dir))
    try:
        return _declared_functions()
    except Exception as error:
        # Any error of the app's own code stops the start, and its author needs the traceback.
        problem = f"function_app.py cannot be loaded: {error!r}\n{traceback.format_exc()}"
        raise StartupFailed([problem.rstrip()]) from error


def _declared_functions() -> list[func.Function]:
    module = importlib.import_module("function_app")
    apps = [value for value in vars(module).values() if isinstance(value, func.FunctionRegister)]
    if len(apps) != 1:
        raise ImportError(f"it must hold one FunctionApp in one variable, and holds {len(apps)}")
    return list(apps[0].get_functions())
