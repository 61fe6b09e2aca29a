"""Microsoft's own KQL language service, to check texts with: no diagnostics, and which columns.

The service is JavaScript from the npm registry, installed once like the other tools; it parses and
binds names and types, it does not run a query.
"""

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from local.node import Node, ToolError, find_node, install_once, run_installer

PACKAGE = "@kusto/language-service-next"
VERSION = "12.4.1"
_SECONDS = 240
_SCRIPT = Path(__file__).with_name("kusto_language.cjs")


@dataclass(frozen=True)
class Analysis:
    """What the language service says about one text.

    Attributes:
        faults: severity, code, place and message of each diagnostic, also of mere suggestions.
        columns: of the result, name to type, in order.
    """

    faults: tuple[str, ...]
    columns: Mapping[str, str]


def install_language_service(tools: Path) -> tuple[Node, Path]:
    """Give Node.js and the package's folder, installed from the npm registry if need be.

    Raises:
        ToolError: the registry is unreachable, the disk is full, or the like.
    """
    node = find_node(tools)

    def install(folder: Path) -> None:
        options = ["--no-audit", "--no-fund", "--no-save", "--loglevel", "error"]
        run_installer(
            f"installing {PACKAGE} {VERSION} from the npm registry",
            node.npm("install", "--prefix", str(folder), *options, f"{PACKAGE}@{VERSION}"),
        )

    folder = install_once(tools / f"kusto-language-service-{VERSION}", install)
    return node, folder / "node_modules" / PACKAGE


def analyse(
    texts: Sequence[str], tables: Mapping[str, Mapping[str, str]], tools: Path
) -> list[Analysis]:
    """Check texts against a database of tables, each a mapping of column to type.

    Raises:
        ToolError: the service could not be installed or did not answer.
    """
    node, package = install_language_service(tools)
    schemas = {name: _schema(columns) for name, columns in tables.items()}
    asked = json.dumps({"package": str(package), "tables": schemas, "texts": list(texts)})
    done = subprocess.run(
        [str(node.binary), str(_SCRIPT)],
        input=asked,
        capture_output=True,
        text=True,
        check=False,
        timeout=_SECONDS,
    )
    if done.returncode:
        raise ToolError(f"the KQL language service failed:\n{done.stderr[-2000:]}")
    return [
        Analysis(tuple(each["faults"]), dict(each["columns"])) for each in json.loads(done.stdout)
    ]


def _schema(columns: Mapping[str, str]) -> str:
    return "(" + ", ".join(f"['{name}']: {kind}" for name, kind in columns.items()) + ")"
