"""``loop audit``: shows a model's ledger, or verifies all of the audit."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from shared.bootstrap import App
from shared.domain.audit import verify
from shared.handlers.verify_audit import CHECKS, Checked


def show(app: App, model: str, console: Console) -> bool:
    """Print a chain; tells whether it holds."""
    documents = list(app.store.chain(model))
    breaches = list(verify(documents, app.store.head(model), chain=model))
    table = Table()
    for column in ("#", "When", "Action", "Outcome", "Why", "Hash"):
        table.add_column(column, overflow="fold")
    for row in documents:
        when = row["event_ts"][:19].replace("T", " ")
        what = (row["action"], row["outcome"], row["reason"], row["hash_self"][:8])
        table.add_row(str(row["sequence"]), when, *what)
    console.print(table)
    for breach in breaches:
        console.print(f"[red]row {breach.sequence} {breach.reason}[/]")
    console.print(f"{len(documents)} rows, the chain {'is BROKEN' if breaches else 'holds'}")
    return not breaches


def check(app: App, model: str, console: Console) -> bool:
    """Verify one chain, or all of them, against table and evidence; tells whether they hold."""
    chains = [model] if model else [name for name in app.store.chains() if name != CHECKS]
    checked = [app.verify_audit(chain) for chain in sorted(chains)]
    table = Table()
    for column in ("Chain", "Rows", "In the table", "Breaches"):
        table.add_column(column, overflow="fold")
    for one in checked:
        counts = (one.head.sequence, one.projected, len(one.breaches))
        table.add_row(one.chain, *map(str, counts))
    console.print(table)
    return _told(checked, console)


def _told(checked: Sequence[Checked], console: Console) -> bool:
    breaches = [breach for one in checked for breach in one.breaches]
    for breach in breaches:
        console.print(str(breach), style="red", markup=False, highlight=False, soft_wrap=True)
    console.print(f"{len(checked)} chains, the audit {'does NOT hold' if breaches else 'holds'}")
    return not breaches
