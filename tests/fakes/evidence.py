"""An EvidenceStore in memory."""

import hashlib

from shared.errors import NotFound, Refused
from tests.fakes.faults import Faults


class FakeEvidence:
    """Keeps what was put, in ``contents``; ``faults`` as in the other fakes."""

    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}
        self.faults = Faults()

    def put(self, name: str, content: bytes) -> str:
        fault = self.faults.before()
        if self.contents.setdefault(name, content) != content:
            raise Refused(f"{name} holds other evidence already", code="EvidenceExists")
        self.faults.after(fault)
        return hashlib.sha256(content).hexdigest()

    def get(self, name: str) -> bytes:
        if name not in self.contents:
            raise NotFound(f"no evidence has the name {name}", subject=name)
        return self.contents[name]
