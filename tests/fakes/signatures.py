"""The signatures of versions, in memory."""

from collections.abc import Sequence

from shared.errors import DataError, NotFound
from shared.ports import ModelVersion
from tests.fakes.faults import Faults


class FakeSignatures:
    """A test logs the columns of a version; None: it was logged without a signature."""

    def __init__(self) -> None:
        self._columns: dict[tuple[str, str], tuple[str, ...] | None] = {}
        self.faults = Faults()

    def log(self, version: ModelVersion, columns: Sequence[str] | None) -> None:
        self._columns[version.name, version.version] = tuple(columns or ())

    def spoil(self, version: ModelVersion, *, gone: bool) -> None:
        """Have the version's files vanish, or hold nothing that can be read."""
        if gone:
            del self._columns[version.name, version.version]
        else:
            self._columns[version.name, version.version] = None

    def inputs(self, version: ModelVersion) -> Sequence[str]:
        self.faults.before()
        key = version.name, version.version
        if key not in self._columns:
            raise NotFound(f"{version.name}: no files of version {version.version}")
        found = self._columns[key]
        if found is None:
            raise DataError(f"{version.name}: its MLmodel cannot be read")
        return found
