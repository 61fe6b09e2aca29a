"""Upkeep: the sweeper, overdue approvals, the notices and the projection of the audit."""

import logging

import azure.functions as func

from functions.traced import traced
from shared.bootstrap import app
from shared.handlers import messages

log = logging.getLogger(__name__)
bp = func.Blueprint()


@bp.function_name("sweep")
@bp.timer_trigger(
    arg_name="timer", schedule="%SWEEP_SCHEDULE%", run_on_startup=False, use_monitor=True
)
@traced
def sweep(timer: func.TimerRequest) -> None:
    """Send again whatever has stalled."""
    log.info("swept %s, late: %s", app().sweep(), timer.past_due)


@bp.function_name("expire_approvals")
@bp.timer_trigger(
    arg_name="timer", schedule="%SWEEP_SCHEDULE%", run_on_startup=False, use_monitor=True
)
@traced
def expire_approvals(timer: func.TimerRequest) -> None:
    """End the approvals whose time is over, however the sweeper fares."""
    log.info("%d approvals have ended, late: %s", app().expire_approvals(), timer.past_due)


@bp.function_name("verify_audit")
@bp.timer_trigger(
    arg_name="timer", schedule="%AUDIT_SCHEDULE%", run_on_startup=False, use_monitor=True
)
@traced
def verify_audit(timer: func.TimerRequest) -> None:
    """Hold every chain of the ledger, its table and its evidence against each other."""
    checked = app().verify_audit.all()
    breaches = sum(len(one.breaches) for one in checked)
    log.info("%d chains checked, %d breaches, late: %s", len(checked), breaches, timer.past_due)


@bp.function_name("send_notice")
@bp.queue_trigger(arg_name="msg", queue_name=messages.NOTICES, connection="AzureWebJobsStorage")
@traced
def send_notice(msg: func.QueueMessage) -> None:
    """Tell people how a run ended."""
    message = messages.read(msg.get_json(), "model", "run_id")
    app().send_notice(message["model"], message["run_id"])


@bp.function_name("project_audit")
@bp.queue_trigger(arg_name="msg", queue_name=messages.AUDIT_ROWS, connection="AzureWebJobsStorage")
@traced
def project_audit(msg: func.QueueMessage) -> None:
    """Bring the audit table up to the end of a chain."""
    message = messages.read(msg.get_json(), "chain")
    app().project_audit(message["chain"])
