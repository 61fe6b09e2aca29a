"""What ``loop audit`` shows of a ledger, and what it finds."""

from io import StringIO
from types import SimpleNamespace
from typing import Any

import pytest
import typer
from rich.console import Console

from local import audit_command, cli
from shared.errors import NotFound
from tests.fakes.duel import ANA, duel, live
from tests.fakes.loop import FakeLoop
from tests.fakes.samples import MODEL


@pytest.fixture
def loop() -> FakeLoop:
    loop = duel()
    live(loop, 3)
    loop.drain()
    return loop


def app_of(loop: FakeLoop) -> Any:
    return SimpleNamespace(
        store=loop.ports.store, catalogue=loop.catalogue, verify_audit=loop.verify
    )


def shown(loop: FakeLoop, command: Any, name: str = MODEL) -> tuple[bool, str]:
    output = StringIO()
    held = command(app_of(loop), name, Console(file=output, width=400))
    return held, output.getvalue()


def test_a_reason_is_shown_as_it_was_written_whatever_it_looks_like(loop):
    loop.ask_champion.roll_back(MODEL, "[/red] see [INC-1] \x1b[2J", ANA, "key")

    held, text = shown(loop, audit_command.show)

    assert held
    assert "[/red] see [INC-1] \N{REPLACEMENT CHARACTER}[2J" in text


def test_all_chains_are_checked_those_of_the_last_night_and_of_the_table_too(loop):
    loop.project(MODEL)
    loop.verify.all()
    real = loop.ports.store.chains
    loop.ports.store.chains = lambda: [name for name in real() if name != MODEL]

    held, text = shown(loop, audit_command.check, "")

    assert held
    assert MODEL in text
    assert "audit.checks" in text


@pytest.mark.parametrize("command", [audit_command.show, audit_command.check])
def test_a_misspelt_name_is_not_said_to_hold(loop, command):
    with pytest.raises(NotFound, match="no model and no chain 'fligths'"):
        shown(loop, command, "fligths")


def test_an_error_is_shown_as_it_is_whatever_it_looks_like(capsys):
    with pytest.raises(typer.Exit), cli._plainly():
        raise NotFound("there is no model and no chain '[/x] [red]'")

    assert "'[/x] [red]'" in capsys.readouterr().out
