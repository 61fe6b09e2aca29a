"""Queue ``retrain-runs``: drives a run from its request to the end of its job."""

import azure.functions as func

from functions.traced import traced
from shared.bootstrap import app
from shared.handlers import messages

bp = func.Blueprint()


@bp.function_name("watch_run")
@bp.queue_trigger(
    arg_name="msg", queue_name=messages.RETRAIN_RUNS, connection="AzureWebJobsStorage"
)
@traced
def watch_run(msg: func.QueueMessage) -> None:
    """Take the next step of a run."""
    message = messages.read(msg.get_json(), "model", "run_id")
    app().watch_run(message["model"], message["run_id"], int(message.get("step", 0)))
