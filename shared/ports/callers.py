"""Who may call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from shared.domain.caller import Caller


class Tokens(Protocol):
    """Checks the bearer tokens that callers of the app present."""

    def check(self, token: str) -> Caller:
        """Give who a token speaks for; what it may do is the asker's question.

        Raises:
            NotAuthenticated: it was not issued for this app by this tenant, or does not hold now.
        """
