"""What a simulator is started with. Values only."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Settings:
    """The switches of one simulator; the command line documents them."""

    workspace_id: str
    token: str | None = None
    retry_after_seconds: int = 1
    queue_seconds: float = 0.2
    page_size: int = 100
    allow_typed_parameters: bool = False
    runner_module: str = "local.notebook_runner"
    registry_store: str = ""
    registry_without: tuple[str, ...] = ()
    notebook_environment: Mapping[str, str] = field(default_factory=dict)
