"""The table of functions, as the host will read it."""

import json
import re
import runpy
from pathlib import Path
from typing import Any

import azure.functions as func
import pytest

from shared.config import Settings
from shared.handlers import messages

ROOT = Path(__file__).parents[2]
STORAGE = "AzureWebJobsStorage"

FUNCTIONS = {
    "verify_audit": {"trigger": "timerTrigger", "schedule": "%AUDIT_SCHEDULE%"},
    "approve_run": {
        "trigger": "httpTrigger",
        "route": "runs/{run_id}/approve",
        "methods": ["POST"],
        "auth": "function",
    },
    "bootstrap_model": {
        "trigger": "httpTrigger",
        "route": "models/{name}/bootstrap",
        "methods": ["POST"],
        "auth": "function",
    },
    "compare_champion": {"trigger": "timerTrigger", "schedule": "%CHALLENGE_SCHEDULE%"},
    "promote_candidate": {"trigger": "queueTrigger", "queue": "promotions"},
    "reject_run": {
        "trigger": "httpTrigger",
        "route": "runs/{run_id}/reject",
        "methods": ["POST"],
        "auth": "function",
    },
    "rollback_model": {
        "trigger": "httpTrigger",
        "route": "models/{name}/rollback",
        "methods": ["POST"],
        "auth": "function",
    },
    "check_drift": {"trigger": "timerTrigger", "schedule": "%DRIFT_SCHEDULE%"},
    "check_drift_model": {"trigger": "queueTrigger", "queue": "drift-checks"},
    "cancel_any_run": {
        "trigger": "httpTrigger",
        "route": "runs/{run_id}/cancel",
        "methods": ["POST"],
        "auth": "function",
    },
    "cancel_run": {
        "trigger": "httpTrigger",
        "route": "models/{name}/runs/{run_id}/cancel",
        "methods": ["POST"],
        "auth": "function",
    },
    "expire_approvals": {"trigger": "timerTrigger", "schedule": "%SWEEP_SCHEDULE%"},
    "health": {
        "trigger": "httpTrigger",
        "route": "health",
        "methods": ["GET"],
        "auth": "anonymous",
    },
    "judge_candidate": {"trigger": "queueTrigger", "queue": "gate-checks"},
    "list_runs": {
        "trigger": "httpTrigger",
        "route": "models/{name}/runs",
        "methods": ["GET"],
        "auth": "function",
    },
    "project_audit": {"trigger": "queueTrigger", "queue": "audit-rows"},
    "receive_alert": {
        "trigger": "httpTrigger",
        "route": "alerts",
        "methods": ["POST"],
        "auth": "function",
    },
    "receive_secure_alert": {
        "trigger": "httpTrigger",
        "route": "secure/alerts",
        "methods": ["POST"],
        "auth": "anonymous",
    },
    "release_run": {
        "trigger": "httpTrigger",
        "route": "models/{name}/runs/{run_id}/release",
        "methods": ["POST"],
        "auth": "function",
    },
    "retrain_model": {
        "trigger": "httpTrigger",
        "route": "models/{name}/retrain",
        "methods": ["POST"],
        "auth": "function",
    },
    "schedule_retrains": {"trigger": "timerTrigger", "schedule": "%RETRAIN_SCHEDULE%"},
    "send_notice": {"trigger": "queueTrigger", "queue": "notices"},
    "show_run": {
        "trigger": "httpTrigger",
        "route": "models/{name}/runs/{run_id}",
        "methods": ["GET"],
        "auth": "function",
    },
    "suppress_model": {
        "trigger": "httpTrigger",
        "route": "models/{name}/suppress",
        "methods": ["POST", "DELETE"],
        "auth": "function",
    },
    "sweep": {"trigger": "timerTrigger", "schedule": "%SWEEP_SCHEDULE%"},
    "watch_run": {"trigger": "queueTrigger", "queue": "retrain-runs"},
}


# A module of its own: an app gives its functions once, and other tests may ask for them too.
REGISTERED: list[func.Function] = list(
    runpy.run_path(str(ROOT / "function_app.py"))["app"].get_functions()
)


def trigger_of(function: func.Function) -> dict[str, Any]:
    trigger = function.get_trigger()
    assert trigger is not None
    return dict(trigger.get_dict_repr())


def described(function: func.Function) -> dict[str, Any]:
    trigger = trigger_of(function)
    words = {
        "trigger": trigger["type"],
        "route": trigger.get("route"),
        "methods": [str(method.value) for method in trigger.get("methods", [])] or None,
        "auth": trigger["authLevel"].value if "authLevel" in trigger else None,
        "queue": trigger.get("queueName"),
        "schedule": trigger.get("schedule"),
    }
    return {key: value for key, value in words.items() if value is not None}


def of_type(kind: str) -> list[Any]:
    chosen = [item for item in REGISTERED if trigger_of(item)["type"] == kind]
    assert chosen
    return [pytest.param(item, id=item.get_function_name()) for item in chosen]


def settings_used() -> set[str]:
    texts = [str(value) for item in REGISTERED for value in trigger_of(item).values()]
    return set(re.findall(r"%([^%]+)%", " ".join(texts)))


def test_the_table_of_functions_is_this_one():
    table = {item.get_function_name(): described(item) for item in REGISTERED}

    assert table == FUNCTIONS


def test_the_only_routes_without_a_key_are_health_and_the_one_that_takes_tokens():
    # A secure webhook sends a token and no key, so the host has to let it through; the app itself
    # answers 404 there unless its settings say that tokens are taken (tests/unit/test_callers.py).
    functions = {str(item.get_function_name()): described(item) for item in REGISTERED}

    open_ones = [name for name, row in functions.items() if row.get("auth") == "anonymous"]

    assert sorted(open_ones) == ["health", "receive_secure_alert"]


@pytest.mark.parametrize("function", of_type("queueTrigger"))
def test_a_queue_and_its_poison_queue_have_names_that_storage_takes(function: func.Function):
    name = trigger_of(function)["queueName"]

    for queue in (name, f"{name}-poison"):
        assert 3 <= len(queue) <= 63
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", queue)
    assert not name.endswith("-poison")  # the host would give it no poison queue


@pytest.mark.parametrize("function", of_type("queueTrigger"))
def test_a_queue_function_reads_the_apps_own_storage(function: func.Function):
    assert trigger_of(function)["connection"] == STORAGE


@pytest.mark.parametrize("function", of_type("queueTrigger"))
def test_a_queue_function_has_no_retry_policy_since_the_host_ignores_it(function: func.Function):
    assert function.get_setting("retry_policy") is None


def test_every_queue_that_is_sent_to_has_one_reader():
    queues = {
        value for name, value in vars(messages).items() if name.isupper() and isinstance(value, str)
    }

    readers = sorted(row["queue"] for row in FUNCTIONS.values() if "queue" in row)

    assert readers == sorted(queues)


@pytest.mark.parametrize("function", of_type("timerTrigger"))
def test_a_timer_does_not_run_whenever_a_worker_starts(function: func.Function):
    trigger = trigger_of(function)

    assert trigger["runOnStartup"] is False
    assert trigger["useMonitor"] is True  # a missed run is made up for


def test_every_setting_that_a_trigger_names_is_a_checked_setting():
    aliases = {field.alias for field in Settings.model_fields.values()}

    assert settings_used() == {
        "AUDIT_SCHEDULE",
        "CHALLENGE_SCHEDULE",
        "DRIFT_SCHEDULE",
        "RETRAIN_SCHEDULE",
        "SWEEP_SCHEDULE",
    }
    assert settings_used() <= aliases


def test_the_example_settings_hold_every_setting_that_a_trigger_needs():
    text = (ROOT / "local.settings.example.json").read_text(encoding="utf-8")
    example = json.loads(text)["Values"]

    assert settings_used() | {STORAGE} <= set(example)
    assert example["FUNCTIONS_WORKER_RUNTIME"] == "python"


def test_the_example_settings_are_settings_the_app_takes():
    text = (ROOT / "local.settings.example.json").read_text(encoding="utf-8")

    settings = Settings.model_validate(json.loads(text)["Values"])

    assert settings.auth_mode == "local"


@pytest.mark.parametrize(
    "function", [pytest.param(item, id=item.get_function_name()) for item in REGISTERED]
)
def test_every_function_says_what_it_does(function: func.Function):
    user_function = function.get_user_function()

    assert user_function.__name__ == function.get_function_name()
    assert user_function.__doc__
