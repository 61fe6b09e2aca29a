"""Queue ``gate-checks``: puts a candidate through its gates."""

import azure.functions as func

from functions.traced import traced
from shared.bootstrap import app
from shared.handlers import messages

bp = func.Blueprint()


@bp.function_name("judge_candidate")
@bp.queue_trigger(arg_name="msg", queue_name=messages.GATE_CHECKS, connection="AzureWebJobsStorage")
@traced
def judge_candidate(msg: func.QueueMessage) -> None:
    """Judge the version a run's job has made."""
    message = messages.read(msg.get_json(), "model", "run_id")
    app().judge_candidate(message["model"], message["run_id"])
