"""Where the lakehouse's Delta tables lie, and what delta-rs raises told in the app's own terms.

A folder or OneLake (``abfss://``); nothing here reads or writes a row.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from shared.adapters.azure_errors import azure_errors
from shared.errors import ConfigError, NoTable, Refused, Unavailable

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from deltalake import DeltaTable

STORAGE_SCOPE = "https://storage.azure.com/.default"
_NAME = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)\.([A-Za-z_][A-Za-z0-9_]*)")
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Lakehouse:
    """The root of the tables and how to get in.

    Attributes:
        root: a folder, or ``abfss://workspace@onelake…/item/Tables``. ``{lakehouse}`` is replaced
            by the first half of a table's name; without it all tables lie directly in the root.
        credential: needed for ``abfss://`` only.
    """

    root: str
    credential: "TokenCredential | None" = None

    def __post_init__(self) -> None:
        if "://" in self.root and not self.remote:
            message = f"LAKEHOUSE_URI: neither a folder nor abfss://: {self.root}"
            raise ConfigError(message, subject="LAKEHOUSE_URI")
        if self.remote and self.credential is None:
            raise ConfigError("LAKEHOUSE_URI: abfss:// needs a credential", subject="LAKEHOUSE_URI")

    @property
    def remote(self) -> bool:
        return self.root.startswith("abfss://")

    def uri(self, table: str) -> str:
        """Give where ``lakehouse.table`` lies.

        Raises:
            Refused: the name has another form.
        """
        match = _NAME.fullmatch(table)
        if match is None:
            raise Refused(f"not a table name: {table!r}", code="InvalidTableName", subject=table)
        root = self.root.replace("{lakehouse}", match[1])
        return f"{root.rstrip('/')}/{match[2]}" if self.remote else str(Path(root) / match[2])

    def storage_options(self) -> dict[str, str]:
        """Give delta-rs' options with a token of this moment: it refreshes none itself."""
        if not self.remote or self.credential is None:
            return {}
        with azure_errors("token for OneLake"):
            token = self.credential.get_token(STORAGE_SCOPE).token
        return {"bearer_token": token, "use_fabric_endpoint": "true"}

    def open(self, table: str, version: int | None = None) -> "DeltaTable":
        """Load a table's newest state, or the one it had after a commit.

        Raises:
            NoTable: there is no such table, or it keeps that version no more.
        """
        from deltalake import DeltaTable

        uri, options = self.uri(table), self.storage_options()
        with delta_errors(table):
            newest = DeltaTable(uri, storage_options=options)
            if version is not None:
                _load(newest, table, version)
            return newest


def _load(newest: "DeltaTable", table: str, version: int) -> None:
    """Take a table back to a commit; its log tells what is gone from what cannot be reached."""
    from deltalake.exceptions import DeltaError, TableNotFoundError

    if version > newest.version():
        raise NoTable(f"{table}: no version {version}", subject=table)
    try:
        newest.load_as_version(version)
    except DeltaError as error:
        # what is left of a log after its clean-up does not reach back to that commit
        behind = "No table metadata or protocol" in str(error)
        if not behind and not isinstance(error, TableNotFoundError):
            raise
        raise gone(table, version) from error


def gone(table: str, version: int) -> NoTable:
    return NoTable(f"{table}: version {version} is kept no more", subject=table)


@contextmanager
def delta_errors(table: str) -> Iterator[None]:
    """Raise the app's error for what delta-rs and Arrow raise while they talk to storage."""
    from deltalake import exceptions as delta
    from pyarrow import ArrowException

    try:
        yield
    except delta.TableNotFoundError as error:
        raise NoTable(f"{table}: no such table", subject=table) from error
    except (delta.DeltaProtocolError, delta.SchemaMismatchError) as error:
        raise Refused(_text(table, error), code=type(error).__name__, subject=table) from error
    except (delta.DeltaError, ArrowException, OSError) as error:
        # a full disk, a lost network and a service that answers 500 all come this way
        raise Unavailable(_text(table, error), subject=table) from error


def _text(table: str, error: Exception) -> str:
    """Put delta-rs' coloured, many-line message into one plain line."""
    return f"{table}: {' '.join(_ANSI.sub('', str(error)).split())[:500]}"
