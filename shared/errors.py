"""Every error the app raises on purpose.

    LoopError
    ├── ConfigError          the environment or models.yaml is wrong; fails at start
    ├── BadInput             a caller's value can never succeed; names the field
    ├── NotAuthenticated     a caller did not prove who it is
    ├── NotAllowed           a caller is known and may not do this
    ├── NotFound             the thing named is not there
    │   ├── NoChampion       the registry answered: no version has the role
    │   └── NoTable          the lakehouse answered: no such table
    ├── Conflict             somebody else wrote first; read again and decide again
    ├── IllegalTransition    a run may not go from this state to that one
    ├── DataError            the data is there and cannot be judged
    ├── Refused              the other side said no, and will say no again
    └── Unavailable          the other side did not answer; a retry may help
        ├── Throttled        it said when to come back
        └── StartAmbiguous   a job may or may not have been started

``retry`` says whether the same call may succeed later. What is not a ``LoopError`` is a defect.
"""

from datetime import datetime
from typing import ClassVar


class LoopError(Exception):
    """The root: carries what it is about."""

    retry: ClassVar[bool] = False

    def __init__(self, message: str, *, subject: str = "") -> None:
        super().__init__(message)
        self.subject = subject


class ConfigError(LoopError):
    """The environment or models.yaml is wrong."""


class BadInput(LoopError):
    """A value that can never succeed, with the field that holds it."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}", subject=field)
        self.field = field
        self.reason = message


class NotAuthenticated(LoopError):
    """A caller did not prove who it is; the message says what its token lacks."""


class NotAllowed(LoopError):
    """A caller is known and may not do this."""


class NotFound(LoopError):
    """The thing named is not there."""


class NoChampion(NotFound):
    """The registry answered that no version holds the role."""


class NoTable(NotFound):
    """The lakehouse answered that the table does not exist."""


class Conflict(LoopError):
    """An optimistic write lost: read again and decide again."""

    retry = True


class IllegalTransition(LoopError):
    """A run may not go from this state to that one."""


class DataError(LoopError):
    """Data that cannot be judged: an empty window, a missing column, no finite value."""


class Refused(LoopError):
    """The other side said no and will say no again; carries its error code."""

    def __init__(self, message: str, *, code: str = "", subject: str = "") -> None:
        super().__init__(message, subject=subject)
        self.code = code


class Unavailable(LoopError):
    """The other side did not answer, or answered that it cannot now."""

    retry = True


class Throttled(Unavailable):
    """The other side said when to come back.

    Attributes:
        retry_after: seconds.
        overloaded: it has no capacity, not too many requests: the wait should grow.
    """

    def __init__(
        self, message: str, *, retry_after: float, overloaded: bool = False, subject: str = ""
    ) -> None:
        super().__init__(message, subject=subject)
        self.retry_after = retry_after
        self.overloaded = overloaded


class StartAmbiguous(Unavailable):
    """The request left and no answer came: the job may be running.

    Attributes:
        sent_at: when the request was sent.
    """

    def __init__(self, message: str, *, sent_at: datetime, subject: str = "") -> None:
        super().__init__(message, subject=subject)
        self.sent_at = sent_at
