"""The forms in which Fabric takes a start: which job type, and where the parameters go.

Only the shapes live here. Two of them exclude each other for a pipeline: the untyped map is the one
that recorded traffic shows at work, the typed list is what the specification says and most tenants
answer with ``FeatureNotAvailable``.
"""

import shlex
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from shared.catalogue import StartForm

Parameters = Mapping[str, Any]


def start_request(form: "StartForm", parameters: Parameters) -> tuple[str, dict[str, Any]]:
    """Give the job type and the body of a start."""
    job_type, write = _FORMS[form]
    return job_type, write(parameters)


def has_activities(form: "StartForm") -> bool:
    """Tell whether the job is a pipeline's: only these can be asked for their activities."""
    return _FORMS[form][0] == _PIPELINE


def _untyped_map(parameters: Parameters) -> dict[str, Any]:
    return {"executionData": {"parameters": dict(parameters)}}


def _typed_map(parameters: Parameters) -> dict[str, Any]:
    typed = {name: {"type": "string", "value": str(value)} for name, value in parameters.items()}
    return {"executionData": {"parameters": typed}}


def _typed_list(parameters: Parameters) -> dict[str, Any]:
    listed = [
        {"name": name, "type": "Text", "value": str(value)} for name, value in parameters.items()
    ]
    return {"parameters": listed}


def _arguments(parameters: Parameters) -> dict[str, Any]:
    words = [word for name, value in parameters.items() for word in (f"--{name}", str(value))]
    return {"executionData": {"commandLineArguments": shlex.join(words)}}


_PIPELINE: Final = "Pipeline"
_FORMS: Final[dict[str, tuple[str, Callable[[Parameters], dict[str, Any]]]]] = {
    "pipeline_map": (_PIPELINE, _untyped_map),
    "pipeline_list": (_PIPELINE, _typed_list),
    "notebook_map": ("RunNotebook", _typed_map),
    "notebook_list": ("RunNotebook", _typed_list),
    "spark_job": ("sparkjob", _arguments),
}
