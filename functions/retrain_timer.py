"""The retrain timer: what is due without an alert, for all models."""

import logging

import azure.functions as func

from functions.traced import traced
from shared.bootstrap import app

log = logging.getLogger(__name__)
bp = func.Blueprint()


@bp.function_name("schedule_retrains")
@bp.timer_trigger(
    arg_name="timer", schedule="%RETRAIN_SCHEDULE%", run_on_startup=False, use_monitor=True
)
@traced
def schedule_retrains(timer: func.TimerRequest) -> None:
    """Ask for the retrains that are due by time, age, new rows, or drift nobody answered."""
    done = app().schedule_retrains()
    log.info(
        "raised %d triggers, %d models failed, late: %s",
        len(done.receipts),
        len(done.failed),
        timer.past_due,
    )
