"""local.settings.json, host.json and the keys file."""

import json
import os
from datetime import timedelta

import pytest

from local.functions_host.errors import MissingSetting, StartupFailed
from local.functions_host.host_json import load_host_options
from local.functions_host.keys import Keys, load_keys
from local.functions_host.settings import Settings, load_settings, settings_path


def written(tmp_path, name, document):
    path = tmp_path / name
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


def queues(tmp_path, **options):
    document = {"version": "2.0", "extensions": {"queues": options}}
    return load_host_options(written(tmp_path, "host.json", document)).queues


def test_the_environment_wins_over_the_file_and_gets_what_it_lacks(tmp_path):
    path = written(tmp_path, "local.settings.json", {"Values": {"A": "file", "B": "file"}})
    environment = {"A": "env"}

    settings = load_settings(path, environment)

    assert settings.resolve("%A%-%B%") == "env-file"
    assert environment == {"A": "env", "B": "file"}


def test_an_unknown_setting_is_named():
    with pytest.raises(MissingSetting, match="setting DRIFT_SCHEDULE is not set"):
        Settings({}).resolve("%DRIFT_SCHEDULE%")


def test_a_connection_is_found_with_and_without_its_prefix():
    settings = Settings({"AzureWebJobsStorage": "one", "AzureWebJobsOther": "two"})

    assert settings.connection_string("AzureWebJobsStorage") == "one"
    assert settings.connection_string("Other") == "two"


def test_the_emulator_shorthand_becomes_a_connection_string():
    settings = Settings({"AzureWebJobsStorage": "UseDevelopmentStorage=true"})

    connection = settings.connection_string("AzureWebJobsStorage")

    assert "QueueEndpoint=http://127.0.0.1:10001/devstoreaccount1" in connection


@pytest.mark.parametrize(("value", "disabled"), [("true", True), ("1", True), ("false", False)])
def test_a_function_is_disabled_by_its_setting(value, disabled):
    assert Settings({"AzureWebJobs.tick.Disabled": value}).is_disabled("tick") is disabled
    assert Settings({"AzureWebJobs.tick.Disabled": value}).is_disabled("other") is False


def test_secrets_are_not_shown():
    shown = repr(Settings({"A": "secret"})) + repr(Keys("secret", "secret"))

    assert "secret" not in shown


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("{", "not valid JSON"),
        ([], "does not hold a JSON object"),
        ({"IsEncrypted": True}, "encrypted"),
        ({"Values": {"A": 3}}, "Values.A is not a string"),
    ],
)
def test_a_bad_settings_file_is_a_startup_failure(tmp_path, document, message):
    with pytest.raises(StartupFailed, match=message):
        load_settings(written(tmp_path, "local.settings.json", document), {})


def test_the_apps_own_settings_file_is_optional(tmp_path):
    assert settings_path(None, tmp_path) is None
    own = written(tmp_path, "local.settings.json", {})
    assert settings_path(None, tmp_path) == own


def test_queue_options_default_as_the_real_host_does_but_for_polling(tmp_path):
    options = queues(tmp_path)

    assert options.batch_size == 16
    assert options.new_batch_threshold == 8 * (os.cpu_count() or 1)
    assert options.max_dequeue_count == 5
    assert options.visibility_timeout == timedelta(0)
    assert options.base64 is True
    assert options.max_polling_interval == timedelta(seconds=2)


def test_queue_options_are_read(tmp_path):
    options = queues(
        tmp_path,
        batchSize=1,
        newBatchThreshold=0,
        maxDequeueCount=2,
        visibilityTimeout="00:01:30",
        messageEncoding="none",
        maxPollingInterval="00:00:00.500",
    )

    assert (options.batch_size, options.new_batch_threshold, options.max_dequeue_count) == (1, 0, 2)
    assert options.visibility_timeout == timedelta(seconds=90)
    assert options.base64 is False
    assert options.max_polling_interval == timedelta(seconds=0.5)


def test_a_longer_polling_interval_is_cut_for_local_speed(tmp_path):
    assert queues(tmp_path, maxPollingInterval="00:01:00").max_polling_interval.seconds == 2


def test_every_bad_queue_option_is_told_at_once(tmp_path):
    with pytest.raises(StartupFailed) as caught:
        queues(
            tmp_path,
            batchSize=33,
            maxDequeueCount=0,
            visibilityTimeout="soon",
            messageEncoding="utf-7",
            maxPollingInterval="00:00:00.010",
        )

    names = [problem.split("queues.")[1].split()[0] for problem in caught.value.problems]
    assert sorted(names) == [
        "batchSize",
        "maxDequeueCount",
        "maxPollingInterval",
        "messageEncoding",
        "visibilityTimeout",
    ]


def test_host_json_must_be_there_and_of_version_two(tmp_path):
    with pytest.raises(StartupFailed, match="cannot be read"):
        load_host_options(tmp_path / "host.json")
    with pytest.raises(StartupFailed, match=r'"version" must be "2\.0"'):
        load_host_options(written(tmp_path, "host.json", {}))


def test_the_route_prefix_defaults_to_api_and_may_be_empty(tmp_path):
    plain = load_host_options(written(tmp_path, "host.json", {"version": "2.0"}))
    extensions = {"http": {"routePrefix": ""}}
    none = load_host_options(
        written(tmp_path, "host.json", {"version": "2.0", "extensions": extensions})
    )

    assert (plain.route_prefix, none.route_prefix) == ("api", "")


def test_each_key_opens_what_it_should(tmp_path):
    keys = load_keys(written(tmp_path, "keys.json", {"default": "d", "_master": "m"}))

    opened = {
        (level, key)
        for level in ("anonymous", "function", "admin")
        for key in ("", "d", "m", "wrong")
        if keys.allow(level, key)
    }

    anonymous = {("anonymous", key) for key in ("", "d", "m", "wrong")}
    assert opened == anonymous | {("function", "d"), ("function", "m"), ("admin", "m")}


@pytest.mark.parametrize("document", [{"default": "d"}, {"default": "", "_master": "m"}])
def test_a_keys_file_without_both_keys_is_a_startup_failure(tmp_path, document):
    with pytest.raises(StartupFailed, match="must hold"):
        load_keys(written(tmp_path, "keys.json", document))
