"""Leaves a judgement with the version it is about, as JSON and as a page for people.

Nothing is decided here, and nothing that goes wrong here may change what was: the verdict rests on
the results alone. What could not be left is logged and said, for the audit to hold.
"""

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from shared.domain.gates.report import Judgement
from shared.errors import LoopError
from shared.ports import GatePage, Registry

log = logging.getLogger(__name__)

DOCUMENT = "gates.json"
PAGE = "gates.html"


@dataclass(frozen=True)
class AttachReport:
    """Makes the files and attaches them."""

    registry: Registry
    page: GatePage

    def __call__(self, judgement: Judgement) -> dict[str, Any]:
        """Attach both files; safe to repeat, raises nothing.

        Gives each file's SHA-256, or why it is not there.
        """
        files: dict[str, Callable[[], bytes]] = {
            DOCUMENT: lambda: judgement.content,
            PAGE: lambda: self.page.render(judgement),
        }
        return {name: self._left(judgement, name, make) for name, make in files.items()}

    def _left(self, judgement: Judgement, name: str, make: Callable[[], bytes]) -> dict[str, str]:
        judged = judgement.judged
        try:
            content = make()
            self.registry.attach(judged.model_name, judged.model_version, name, content)
        except LoopError as error:
            log.warning("%s of run %s is not attached: %s", name, judged.run_id, error)
            return {"fault": f"{type(error).__name__}: {error}"[:500]}
        except Exception as error:
            # the verdict rests on the results: a page's defect must not leave the run in judging
            log.exception("%s of run %s could not be made", name, judged.run_id)
            # the type alone: nobody has looked what else its text may tell
            return {"fault": type(error).__name__}
        return {"sha256": hashlib.sha256(content).hexdigest()}
