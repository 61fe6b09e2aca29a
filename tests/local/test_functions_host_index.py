"""Registration: what is resolved, and what keeps the host from starting."""

from typing import List  # noqa: UP035 - the worker refuses func.Out[list[str]]

import azure.functions as func
import pytest

from local.functions_host.errors import StartupFailed
from local.functions_host.index import register
from local.functions_host.model import QueueTrigger
from local.functions_host.settings import Settings

STORAGE = "AzureWebJobsStorage"
SETTINGS = Settings({STORAGE: "UseDevelopmentStorage=true", "QUEUE": "runs"})


def problems(app, settings=SETTINGS):
    with pytest.raises(StartupFailed) as caught:
        register(app.get_functions(), settings, "api")
    return list(caught.value.problems)


@pytest.fixture
def app():
    return func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)


def test_settings_are_resolved_in_queue_names_routes_and_schedules(app):
    @app.queue_trigger(arg_name="m", queue_name="%QUEUE%-in", connection=STORAGE)
    def on_message(m: func.QueueMessage) -> None: ...

    @app.route(route="%QUEUE%/{id}")
    def on_request(req: func.HttpRequest) -> str: ...

    @app.timer_trigger(arg_name="t", schedule="0 %MINUTE% * * * *")
    def on_time(t: func.TimerRequest) -> None: ...

    settings = Settings({**SETTINGS.values, "MINUTE": "5"})
    message, request, time = register(app.get_functions(), settings, "api")

    assert message.trigger == QueueTrigger("runs-in", STORAGE, binary=False)
    assert request.trigger.route.text == "api/runs/{id}"
    assert request.trigger.auth_level == "function"
    assert time.trigger.schedule.expression == "0 5 * * * *"


def test_all_problems_are_listed_with_function_field_and_setting(app):
    @app.queue_trigger(arg_name="m", queue_name="%NO_QUEUE%", connection="NoStorage")
    def on_message(m: func.QueueMessage) -> None: ...

    @app.timer_trigger(arg_name="t", schedule="%NO_SCHEDULE%")
    def on_time(t: func.TimerRequest) -> None: ...

    @app.timer_trigger(arg_name="t", schedule="0 0 0 * * 7")
    def on_sunday(t: func.TimerRequest) -> None: ...

    advice = "add it to Values of local.settings.json or the environment"
    queue, schedule = "queueTrigger 'm'", "timerTrigger 't', schedule"
    assert problems(app) == [
        f"function 'on_message', {queue}, queueName: setting NO_QUEUE is not set: {advice}",
        f"function 'on_message', {queue}, connection: setting NoStorage is not set: {advice}",
        f"function 'on_time', {schedule}: setting NO_SCHEDULE is not set: {advice}",
        f"function 'on_sunday', {schedule}: day of the week 7 is not between 0 and 6",
    ]


def test_a_disabled_function_may_lack_its_settings(app):
    @app.queue_trigger(arg_name="m", queue_name="%NO_QUEUE%", connection=STORAGE)
    def on_message(m: func.QueueMessage) -> None: ...

    settings = Settings({**SETTINGS.values, "AzureWebJobs.on_message.Disabled": "true"})

    assert register(app.get_functions(), settings, "api") == []


@pytest.mark.parametrize("name", ["Bad_Queue", "ab", "a--b", "-a", "x" * 64])
def test_a_name_that_is_no_queue_name_is_refused(app, name):
    @app.queue_trigger(arg_name="m", queue_name=name, connection=STORAGE)
    def on_message(m: func.QueueMessage) -> None: ...

    [problem] = problems(app)
    assert "is not a queue name" in problem


def test_parameters_and_bindings_must_agree(app):
    @app.queue_trigger(arg_name="m", queue_name="runs", connection=STORAGE)
    @app.queue_output(arg_name="out", queue_name="runs", connection=STORAGE)
    def on_message(m: func.QueueMessage, dependency=None) -> None: ...

    assert problems(app) == [
        "function 'on_message': parameter 'dependency' has no binding",
        "function 'on_message': binding 'out' has no parameter of that name",
    ]


def with_output(app, annotation):
    @app.queue_trigger(arg_name="m", queue_name="runs", connection=STORAGE)
    @app.queue_output(arg_name="out", queue_name="runs", connection=STORAGE)
    def on_message(m: func.QueueMessage, out: annotation) -> None: ...


@pytest.mark.parametrize(
    "annotation",
    [func.Out[list[str]], func.Out[dict], func.Out[List[func.QueueMessage]], str],  # noqa: UP006 - the point
)
def test_an_output_annotation_that_the_worker_refuses_is_refused(app, annotation):
    with_output(app, annotation)

    [problem] = problems(app)
    assert "parameter 'out'" in problem


@pytest.mark.parametrize(
    "annotation",
    [func.Out[str], func.Out[bytes], func.Out[List[str]]],  # noqa: UP006 - what the worker takes
)
def test_an_output_annotation_that_the_worker_takes_is_taken(app, annotation):
    with_output(app, annotation)

    [function] = register(app.get_functions(), SETTINGS, "api")
    assert function.outputs["out"].queue == "runs"


@pytest.mark.parametrize("annotation", [dict, func.TimerRequest])
def test_a_trigger_annotation_of_another_type_is_refused(app, annotation):
    @app.route(route="x")
    def on_request(req: annotation) -> str: ...

    [problem] = problems(app)
    assert "httpTrigger does not take" in problem


@pytest.mark.parametrize("annotation", [dict, func.HttpResponse | None])
def test_a_return_annotation_that_the_worker_refuses_is_refused(app, annotation):
    @app.route(route="x")
    def on_request(req: func.HttpRequest) -> annotation: ...

    [problem] = problems(app)
    assert "return annotation" in problem


def test_a_context_of_another_type_is_refused(app):
    @app.route(route="x")
    def on_request(req: func.HttpRequest, context: dict) -> str: ...

    assert problems(app) == [
        "function 'on_request': parameter 'context' must be annotated azure.functions.Context"
    ]


def test_a_name_imported_for_type_checkers_only_is_told(app):
    @app.route(route="x")
    def on_request(req: "Missing") -> str: ...  # noqa: F821 - the point

    [problem] = problems(app)
    assert "name 'Missing' is not defined" in problem


def test_bindings_this_host_does_not_have_are_told(app):
    @app.blob_trigger(arg_name="b", path="c/x", connection=STORAGE)
    def on_blob(b: func.InputStream) -> None: ...

    @app.route(route="x")
    @app.blob_output(arg_name="out", path="c/x", connection=STORAGE)
    def on_request(req: func.HttpRequest, out: func.Out[str]) -> str: ...

    blob, output = problems(app)
    assert "HTTP, queue and timer triggers, not blobTrigger" in blob
    assert "queue and HTTP outputs only" in output


def test_a_retry_policy_is_reported_as_not_applied(app, caplog):
    @app.retry(strategy="fixed_delay", max_retry_count="2", delay_interval="00:00:01")
    @app.timer_trigger(arg_name="t", schedule="0 0 * * * *")
    def on_time(t: func.TimerRequest) -> None: ...

    register(app.get_functions(), SETTINGS, "api")

    assert "The retry policy of 'on_time' is not applied by this host" in caplog.text
