# SPDX-License-Identifier: ISC
"""What Dovecot says of the logins that Postfix asks it about, kept until Postfix's own line on the same one comes."""

from collections import deque
from typing import Final

from filter_ban.model import Kind
from filter_ban.replay.log_reader import Sessions

MAX_WAIT_S: Final = 30.0  # Dovecot's failure delay is 2 s, its penalty up to 15 s; Postfix waits for 10 s
MAX_CHECKS: Final = 100  # of one address

_Check = tuple[float, Kind | None]


class PasswordChecks:
    """Outcomes by address, in the order of time; None is a login that was refused and is not counted."""

    def __init__(self) -> None:
        self._checks: Sessions[deque[_Check]] = Sessions()

    def note(self, address: str, time_s: float, kind: Kind | None) -> None:
        """Keep an outcome."""
        checks = self._checks.get(address)
        if checks is None:
            checks = self._checks[address] = deque(maxlen=MAX_CHECKS)
        checks.append((time_s, kind))

    def take(self, address: str, time_s: float, otherwise: Kind | None) -> Kind | None:
        """Return the first outcome that Postfix's line of *time_s* can be about, or *otherwise*; it is used up."""
        checks = self._checks.get(address)
        if checks is None:
            return otherwise
        kind = otherwise
        while checks:
            noted_s, noted = checks.popleft()
            if time_s - noted_s <= MAX_WAIT_S:
                kind = noted
                break
        if not checks:
            del self._checks[address]
        return kind
