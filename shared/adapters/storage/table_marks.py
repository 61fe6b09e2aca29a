"""Marks in Azure Table storage: one row a mark, moved on by conditional writes."""

from collections.abc import Mapping
from threading import Lock as Mutex
from typing import TYPE_CHECKING, Any, Final

from azure.core import MatchConditions
from azure.core.exceptions import ResourceNotFoundError
from azure.data.tables import TableClient, TableEntity, UpdateMode

from shared.adapters.azure_errors import azure_creation, azure_errors, error_code
from shared.errors import Conflict, Unavailable

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

    from shared.config import Settings

TABLE: Final = "retrainloopmarks"
_WHERE: Final = f"table {TABLE}"
_ATTEMPTS: Final = 20
"""Lost races before giving up; each of them means that another worker moved the mark on."""
_VALUE: Final = "value"


class TableMarks:
    """The Marks port. Numbers are stored as texts: the service's own integers end at 2^31."""

    def __init__(self, table: TableClient) -> None:
        self._table = table
        self._making = Mutex()
        self._made = False

    @classmethod
    def connect(cls, settings: "Settings", credential: "TokenCredential") -> "TableMarks":
        """Make one on the app's storage account; nothing is sent yet."""
        connection = settings.storage_connection.get_secret_value()
        if connection:
            return cls(TableClient.from_connection_string(connection, TABLE))
        return cls(TableClient(settings.table_uri, TABLE, credential=credential))

    def close(self) -> None:
        self._table.close()

    def get(self, group: str, name: str) -> int:
        found = self._find(group, name)
        return 0 if found is None else int(found[_VALUE])

    def advance(self, group: str, name: str, value: int) -> bool:
        for _ in range(_ATTEMPTS):
            found = self._find(group, name)
            if found is not None and int(found[_VALUE]) >= value:
                return False
            try:
                self._write(group, name, value, found)
            except Conflict:
                continue
            return True
        raise Unavailable(f"{_WHERE}: lost {_ATTEMPTS} races for {group}/{name}", subject=name)

    def group(self, group: str) -> Mapping[str, int]:
        table = self._ready()
        with azure_errors(_WHERE):
            found = table.query_entities("PartitionKey eq @group", parameters={"group": group})
            return {entity["RowKey"]: int(entity[_VALUE]) for entity in found}

    def _find(self, group: str, name: str) -> TableEntity | None:
        table = self._ready()
        with azure_errors(_WHERE):
            try:
                return table.get_entity(group, name)
            except ResourceNotFoundError as error:
                if error_code(error) == "TableNotFound":
                    raise
                return None

    def _write(self, group: str, name: str, value: int, found: TableEntity | None) -> None:
        entity: dict[str, Any] = {"PartitionKey": group, "RowKey": name, _VALUE: str(value)}
        with azure_errors(_WHERE):
            if found is None:
                self._table.create_entity(entity)
                return
            self._table.update_entity(
                entity,
                mode=UpdateMode.REPLACE,
                etag=found.metadata["etag"],
                match_condition=MatchConditions.IfNotModified,
            )

    def _ready(self) -> TableClient:
        with self._making:
            if not self._made:
                with azure_creation(_WHERE):
                    self._table.create_table()
                self._made = True
        return self._table
