"""Nothing that is deployed can take a row from the ledger or from its table, or change one.

Read from the sources, so that a way which no test goes is found too; what Delta and Table storage
themselves refuse is tried in tests/contract/test_audit_kept.py.
"""

import ast
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shared.adapters.storage import run_codec, table_store
from shared.domain.audit import AuditEntry, Head, extend
from shared.domain.tables import PROMOTION_AUDIT
from shared.ports import Commit, Snapshot

ROOT = Path(__file__).parents[2]
REMOVES = re.compile(
    r"delete|remove_|vacuum|optimize|compact|z_order|restore|truncate|drop_(?!null)|purge|rmtree"
    r"|unlink|rmdir"
)
"""Names of methods that could take something away, or write it anew."""
REWRITES = re.compile(
    r"\b(VACUUM|OPTIMIZE|TRUNCATE TABLE|DELETE FROM|DROP TABLE|INSERT OVERWRITE|MERGE INTO)\b"
)
"""The same as SQL."""
HARMLESS = {
    ("shared/adapters/registry/mlflow_registry.py", "delete_registered_model_alias"),
    ("shared/adapters/registry/fabric_registry.py", "self._rest.ask('DELETE', …)"),
    ("shared/adapters/profiles/blob_profiles.py", "overwrite=True"),
}
"""What takes away something else than audit: a role in the registry, a stored profile's old form.
Further ones need a reason as good."""


def sources() -> list[Path]:
    deployed = [path for name in ("shared", "functions") for path in (ROOT / name).rglob("*.py")]
    return sorted([ROOT / "function_app.py", *deployed])


def removals(tree: ast.AST) -> Iterator[str]:
    """Give whatever could remove or rewrite something, by what gives it away.

    A method that is only named counts too: it may be handed to somebody who calls it.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and REMOVES.match(node.attr):
            yield node.attr
        elif isinstance(node, ast.Name) and REMOVES.match(node.id):
            yield node.id
        elif isinstance(node, ast.Call):
            yield from _of_call(node)
        elif isinstance(node, ast.Tuple) and node.elts and _text(node.elts[0]) == "delete":
            yield "('delete', …)"  # an operation of a table transaction
        elif (found := REWRITES.search(_text(node))) is not None:
            yield found[0]


def _of_call(node: ast.Call) -> Iterator[str]:
    if any(_text(each) == "DELETE" for each in node.args):
        yield f"{ast.unparse(node.func)}('DELETE', …)"  # a request over HTTP
    writes = ast.unparse(node.func).endswith("write_deltalake")
    for keyword in node.keywords:
        value = ast.unparse(keyword.value)
        if keyword.arg == "mode" and (value == "'overwrite'" or (writes and value != "'append'")):
            yield f"mode={value}"
        if keyword.arg == "overwrite" and value != "False":
            yield f"overwrite={value}"


def _text(node: ast.AST) -> str:
    value = node.value if isinstance(node, ast.Constant) else None
    return value if isinstance(value, str) else ""


def test_no_deployed_module_removes_or_rewrites_what_is_stored():
    found = {
        (path.relative_to(ROOT).as_posix(), what)
        for path in sources()
        for what in removals(ast.parse(path.read_text(encoding="utf-8")))
    }

    assert found - HARMLESS == set()


@pytest.mark.parametrize(
    "source",
    [
        "table.delete_entity(key, row)",
        "self._table.delete_table()",
        "operations.append(('delete', entity))",
        "table.delete()",
        "DeltaTable(uri).vacuum(168, dry_run=False)",
        "DeltaTable(uri).optimize.compact()",
        "write_deltalake(target, data, mode='overwrite')",
        "container.upload_blob(name, content, overwrite=True)",
        "container.upload_blob(name, content, overwrite=again)",
        "database.execute('VACUUM ml_promotion_audit')",
        "database.execute(f'DELETE FROM {table}')",
        "shutil.rmtree(folder)",
        "pool.map(table.delete_entity, rows)",
        "write_deltalake(target, data, mode=how)",
        "session.request('DELETE', url)",
    ],
)
def test_what_would_remove_something_is_noticed(source: str):
    assert list(removals(ast.parse(source)))


@pytest.mark.parametrize(
    "source",
    [
        "write_deltalake(target, data, mode='append')",
        "container.upload_blob(name, content, overwrite=False)",
        "table.upsert_entity(entity, mode=UpdateMode.REPLACE)",
        "text.removeprefix('x')",
        "route(methods=['POST', 'DELETE'])",
    ],
)
def test_what_removes_nothing_is_not(source: str):
    assert not list(removals(ast.parse(source)))


def test_a_ledger_row_is_only_ever_created():
    entries = [
        AuditEntry("run.requested", "success", datetime(2026, 1, 1, tzinfo=UTC), "r", "run", "why")
    ] * 3
    rows, head = extend("m", Head(), entries, datetime(2026, 1, 1, tzinfo=UTC))
    tags = table_store._Tags(None, None, "etag-of-the-head")
    snapshot = Snapshot("m", None, run_codec.NEVER_TAKEN, Head(), tags)

    operations = table_store._operations(snapshot, Commit(None, None, rows, head))

    written = [
        kind for kind, entity, *_ in operations if entity["RowKey"].startswith(run_codec.ROWS)
    ]
    assert written == ["create"] * 3


def test_whatever_else_is_overwritten_has_no_ledger_row_s_key():
    tree = ast.parse(Path(table_store.__file__).read_text(encoding="utf-8"))

    upserted = [
        ast.unparse(node.args[0])
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("upsert_entity")
    ]

    assert upserted == ["codec.projected_entity(chain, sequence)"]
    assert not run_codec.projected_entity("m", 1)["RowKey"].startswith(run_codec.ROWS)


def test_no_column_of_the_audit_table_is_updated_in_place():
    assert PROMOTION_AUDIT.updated == ()
    assert PROMOTION_AUDIT.append_only
