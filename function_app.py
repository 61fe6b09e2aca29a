"""Registers the blueprints; nothing else."""

import azure.functions as func

from functions import (
    alert_http,
    champion_timer,
    drift_timer,
    gate_queue,
    health_http,
    operator_http,
    people_http,
    promotion_queue,
    retrain_timer,
    run_queue,
    upkeep,
)

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)

for module in (
    alert_http,
    champion_timer,
    drift_timer,
    gate_queue,
    health_http,
    operator_http,
    people_http,
    promotion_queue,
    retrain_timer,
    run_queue,
    upkeep,
):
    app.register_functions(module.bp)
