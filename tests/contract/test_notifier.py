"""What any Notifier does: the fake, the log, and Teams' webhook as the simulator speaks it."""

import json
import logging
import sys
from collections.abc import Iterator

import pytest

from local.monitor_simulator.client import SimulatorClient
from local.processes import free_port, start_process, wait_until_ready
from shared.adapters.teams import (
    MOST_BYTES,
    LogNotifier,
    TeamsNotifier,
    escape,
    render,
)
from shared.errors import ConfigError, Refused, Throttled, Unavailable
from shared.ports import Notice, Notifier
from tests.fakes.notifier import FakeNotifier

SECRET = "a-signature-nobody-may-see"
NOTICES = [
    Notice(
        "Drift: flight-delay", "temp moved", {"PSI": "0.31"}, "https://app.fabric.microsoft.com/x"
    ),
    Notice("", "", {}, ""),
    Notice(
        "*" * 50_000, "[x](http://e)\n" * 9_000, {str(n): "\U0001f6a8" * 9_000 for n in range(99)}
    ),
    Notice("surrogate \ud800", "\x00\x1b[31m", {"a": ""}, "javascript:alert(1)"),
]


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatorClient]:
    root, port = tmp_path_factory.mktemp("monitor"), free_port()
    argv = [sys.executable, "-m", "local.monitor_simulator", "--port", str(port)]
    argv += ["--state", str(root / "state"), "--evaluate-every", "3600"]
    argv += ["--receiver-url", f"http://127.0.0.1:{free_port()}/"]
    with start_process("monitor", argv, log=root / "simulator.log") as process:
        wait_until_ready(process, f"http://127.0.0.1:{port}/_simulator/health")
        yield SimulatorClient(f"http://127.0.0.1:{port}")


def webhook(base: str, query: str = f"?api-version=1&sig={SECRET}") -> str:
    return f"{base}/teams/workflows/abc/triggers/manual/paths/invoke{query}"


@pytest.fixture(params=["fake", "log", "teams"])
def notifier(request: pytest.FixtureRequest) -> Notifier:
    match request.param:
        case "fake":
            return FakeNotifier()
        case "log":
            return LogNotifier()
        case _:
            return TeamsNotifier(webhook(request.getfixturevalue("simulator").url))


@pytest.mark.parametrize("notice", NOTICES, ids=["plain", "empty", "huge", "hostile"])
def test_any_notice_can_be_sent(notifier: Notifier, notice: Notice):
    assert notifier.send(notice) is None


def test_the_log_holds_a_notice_on_one_line(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO, "retrain_loop.notices")

    LogNotifier().send(Notice("Drift", "a\nERROR forged", {"PSI": "0.31"}))

    (record,) = caplog.records
    assert "\n" not in record.getMessage()
    assert json.loads(record.getMessage().removeprefix("notice "))["facts"] == {"PSI": "0.31"}


# --- Teams only ------------------------------------------------------------------------------


def test_a_card_shows_title_text_facts_and_link(simulator: SimulatorClient):
    TeamsNotifier(webhook(simulator.url)).send(NOTICES[0])

    card = simulator.cards()[-1]["card"]
    title, text, facts = card["body"]
    assert card["version"] == "1.2"
    assert title["text"] == "Drift: flight-delay"
    assert text["text"] == "temp moved"
    assert facts["facts"] == [{"title": "PSI", "value": "0.31"}]
    assert card["actions"][0]["url"] == "https://app.fabric.microsoft.com/x"


def test_only_https_links_become_buttons():
    assert b"actions" not in render(NOTICES[3])


@pytest.mark.parametrize("notice", NOTICES, ids=["plain", "empty", "huge", "hostile"])
def test_a_message_is_below_the_limit_of_teams(notice: Notice):
    body = render(notice)

    assert len(body) < MOST_BYTES
    assert json.loads(body)["type"] == "message"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("**bold** _it_ `code` ~~s~~", r"\*\*bold\*\* \_it\_ \`code\` \~\~s\~\~"),
        ("[pay](http://evil)", r"\[pay\](http://evil)"),
        ("# title", r"\# title"),
        ("- item", r"\- item"),
        ("  12. item", r"  12\. item"),
        ("> quote <b>", r"\> quote \<b\>"),
        ("a\\b", r"a\\b"),
        ("-0.31", "-0.31"),
        ("0.31", "0.31"),
        ("a\n---", "a\n\n\\---"),
        ("PSI 0.31 - from -1 to 2", "PSI 0.31 - from -1 to 2"),
        ("one\ntwo\r\n\r\nthree", "one\n\ntwo\n\nthree"),
        ("a\n+ b", "a\n\n\\+ b"),
    ],
)
def test_markdown_is_shown_and_not_rendered(text: str, shown: str):
    assert escape(text) == shown


def test_busy_teams_says_when_to_come_back(simulator: SimulatorClient):
    simulator.order_fault("refuse_cards")

    with pytest.raises(Throttled) as caught:
        TeamsNotifier(webhook(simulator.url)).send(NOTICES[0])

    assert caught.value.retry_after == 1


def test_a_wrong_signature_is_refused(simulator: SimulatorClient):
    with pytest.raises(Refused) as caught:
        TeamsNotifier(webhook(simulator.url, "")).send(NOTICES[0])

    assert caught.value.code == "401"


def test_the_url_stands_in_no_log_and_no_error(
    simulator: SimulatorClient, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    simulator.order_fault("refuse_cards")

    errors = []
    for base in (simulator.url, f"http://127.0.0.1:{free_port()}"):
        with pytest.raises(Unavailable) as caught:
            TeamsNotifier(webhook(base)).send(NOTICES[0])
        errors.append(caught.value)

    assert SECRET not in caplog.text
    assert not any(SECRET in f"{e!r} {e.__cause__!r}" or e.__cause__ for e in errors)
    assert all(error.__suppress_context__ or not error.__context__ for error in errors)


@pytest.mark.parametrize(
    "url",
    [
        "https://contoso.webhook.office.com/webhookb2/x",
        "https://outlook.office.com/webhook/x",
        "not a url",
    ],
)
def test_a_retired_connector_is_a_configuration_error(url: str):
    with pytest.raises(ConfigError, match="TEAMS_WEBHOOK_URL") as caught:
        TeamsNotifier(url)

    assert url not in str(caught.value)
