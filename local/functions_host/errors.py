"""What can go wrong before the host runs, and the one way it is collected and told.

HostError
 +-- StartupFailed    everything that keeps the host from starting, listed at once
 +-- MissingSetting   a %SETTING% or connection that no setting answers
 +-- InvalidSchedule  an NCRONTAB expression the real host would refuse
 +-- InvalidRoute     a route template this host cannot serve
"""

from collections.abc import Iterable


class HostError(Exception):
    """The base of the host's own errors."""


class StartupFailed(HostError):
    """The host did not start; ``problems`` has a sentence for each thing to mend."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


class MissingSetting(HostError):
    """No setting of this name exists, in the environment or in local.settings.json."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"setting {name} is not set")


class InvalidSchedule(HostError):
    """The expression is not NCRONTAB."""


class InvalidRoute(HostError):
    """The route template cannot be served."""
