"""``loop audit``: shows a model's ledger, or verifies all of the audit."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from shared.bootstrap import App
from shared.domain.audit import verify
from shared.errors import NotFound
from shared.handlers.verify_audit import Checked


def show(app: App, model: str, console: Console) -> bool:
    """Print a chain; tells whether it holds."""
    _require_chain(app, model)
    documents = list(app.store.chain(model))
    breaches = list(verify(documents, app.store.head(model), chain=model))
    table = Table()
    for column in ("#", "When", "Action", "Outcome", "Why", "Hash"):
        table.add_column(column, overflow="fold")
    for row in documents:
        when = row["event_ts"][:19].replace("T", " ")
        what = (row["action"], row["outcome"], row["reason"], row["hash_self"][:8])
        table.add_row(*map(as_it_is, (row["sequence"], when, *what)))
    console.print(table)
    for breach in breaches:
        console.print(Text(f"row {breach.sequence} {breach.reason}", "red"))
    console.print(f"{len(documents)} rows, the chain {'is BROKEN' if breaches else 'holds'}")
    return not breaches


def as_it_is(value: object) -> Text:
    """Show what others wrote, which may look like markup or steer a terminal."""
    return Text(
        "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in str(value))
    )


def check(app: App, model: str, console: Console) -> bool:
    """Verify one chain, or all of them, against table and evidence; tells whether they hold."""
    if model:
        _require_chain(app, model)
    chains = (model,) if model else app.verify_audit.chains()
    checked = [app.verify_audit(chain) for chain in chains]
    checked += [] if model else app.verify_audit.strangers()
    table = Table()
    for column in ("Chain", "Rows", "In the table", "Breaches"):
        table.add_column(column, overflow="fold")
    for one in checked:
        counts = (one.head.sequence, one.projected, len(one.breaches))
        table.add_row(*map(as_it_is, (one.chain, *counts)))
    console.print(table)
    return _told(checked, console)


def _require_chain(app: App, name: str) -> None:
    """Refuse a name that nothing has, such as a misspelt one: of it nothing would be broken."""
    if app.catalogue.find(name) is None and name not in app.verify_audit.chains():
        raise NotFound(f"there is no model and no chain {name!r}", subject=name)


def _told(checked: Sequence[Checked], console: Console) -> bool:
    breaches = [breach for one in checked for breach in one.breaches]
    for breach in breaches:
        console.print(str(breach), style="red", markup=False, highlight=False, soft_wrap=True)
    console.print(f"{len(checked)} chains, the audit {'does NOT hold' if breaches else 'holds'}")
    return not breaches
