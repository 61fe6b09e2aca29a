"""A judgement's page in a few words."""

from shared.domain.gates.report import Judgement


class FakeGatePage:
    """Names what was judged and what came of it; ``fault`` is raised instead, if set."""

    def __init__(self) -> None:
        self.fault: Exception | None = None

    def render(self, judgement: Judgement) -> bytes:
        if self.fault is not None:
            raise self.fault
        judged = judgement.judged
        return f"{judged.model_name} {judged.model_version} {judgement.verdict}".encode()
