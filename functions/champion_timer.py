"""Timer: champion and challenger answer for the same days."""

import logging

import azure.functions as func

from functions.traced import traced
from shared.bootstrap import app

log = logging.getLogger(__name__)
bp = func.Blueprint()


@bp.function_name("compare_champion")
@bp.timer_trigger(
    arg_name="timer", schedule="%CHALLENGE_SCHEDULE%", run_on_startup=False, use_monitor=True
)
@traced
def compare_champion(timer: func.TimerRequest) -> None:
    """Compare every model's challenger with its champion."""
    log.info("%d models have a challenger, late: %s", app().compare_champion.all(), timer.past_due)
