"""The drift check: a timer for all models, and a queue for those that have to be tried again."""

import logging
from datetime import datetime

import azure.functions as func

from functions.traced import traced
from shared.bootstrap import app
from shared.handlers import messages

log = logging.getLogger(__name__)
bp = func.Blueprint()


@bp.function_name("check_drift")
@bp.timer_trigger(
    arg_name="timer", schedule="%DRIFT_SCHEDULE%", run_on_startup=False, use_monitor=True
)
@traced
def check_drift(timer: func.TimerRequest) -> None:
    """Check every model of the catalogue; one that fails goes to the queue."""
    if timer.past_due:
        log.warning("the drift check is late")
    app().check_all()


@bp.function_name("check_drift_model")
@bp.queue_trigger(
    arg_name="msg", queue_name=messages.DRIFT_CHECKS, connection="AzureWebJobsStorage"
)
@traced
def check_drift_model(msg: func.QueueMessage) -> None:
    """Check one model again, as of the moment the timer meant."""
    message = messages.read(msg.get_json(), "model", "at")
    app().check_model(message["model"], datetime.fromisoformat(message["at"]))
