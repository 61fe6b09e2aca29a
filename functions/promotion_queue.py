"""Queue ``promotions``: everything that changes a champion."""

import azure.functions as func

from functions.traced import traced
from shared.bootstrap import app
from shared.handlers import messages

bp = func.Blueprint()


@bp.function_name("promote_candidate")
@bp.queue_trigger(arg_name="msg", queue_name=messages.PROMOTIONS, connection="AzureWebJobsStorage")
@traced
def promote_candidate(msg: func.QueueMessage) -> None:
    """Promote a version, roll back to one, or make the first one the champion."""
    message = messages.read(msg.get_json(), "model", "run_id")
    app().promote(message["model"], message["run_id"])
