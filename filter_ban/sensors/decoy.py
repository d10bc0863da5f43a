# SPDX-License-Identifier: ISC
"""
The decoy sensor: whoever tries to log in where no one has business is a guesser.

Of an attempt only the user name is ever looked at. Passwords are not kept, those of LOGIN not even decoded.

Sources: RFC 4954, 4 and 6 (AUTH), RFC 4616 (PLAIN); LOGIN has no standard but its two questions.
"""

import binascii
from typing import Final

from filter_ban.model import Kind, Verdict
from filter_ban.sensors.sensor import Sensor

SERVICE: Final = "decoy"
REFUSED: Final = "535 5.7.8 Error: authentication failed"
CANCELLED: Final = "501 5.7.0 Authentication cancelled"
MALFORMED: Final = "501 5.5.2 Cannot decode base64"
NOT_OFFERED: Final = "504 5.5.4 Unrecognized authentication type"
INCOMPLETE: Final = "501 5.5.4 Syntax: AUTH mechanism"

_QUESTIONS: Final = {
    "PLAIN": ("334 ",),
    "LOGIN": ("334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6"),  # "Username:", "Password:"
}
MECHANISMS: Final = tuple(_QUESTIONS)


class DecoySensor(Sensor):
    """Attempts at any number of decoys in, strikes out."""

    def verdict(self, address: str) -> Verdict:
        """Decide on the client at *address* when it connects."""
        return self._verdicts.of(self._clients.of(address))

    def attempted(self, address: str, user: str) -> None:
        """Count an attempt to log in as *user*, "" where it did not come to a name."""
        self.strike(Kind.DECOY, self._clients.of(address), user=user, service=SERVICE)


class Attempt:
    """
    One AUTH, refused whatever it says: put `question` to the client for as long as there is one, then send `reply`.

    Args:
        argument: What followed AUTH: a mechanism, perhaps an initial response.

    """

    def __init__(self, argument: str) -> None:
        mechanism, _, initial = argument.strip().partition(" ")
        self._mechanism = mechanism.upper()
        self._questions = _QUESTIONS.get(self._mechanism, ())
        self.user = ""
        self.reply = REFUSED
        if not mechanism:
            self.reply = INCOMPLETE
        elif not self._questions:
            self.reply = NOT_OFFERED
        elif initial:
            self.receive(b"" if initial == "=" else initial.encode("utf-8", "replace"))  # RFC 4954, 4: empty

    @property
    def question(self) -> str:
        """The line that the client is to answer next; "" when all has been asked."""
        return self._questions[0] if self._questions else ""

    def receive(self, line: bytes) -> None:
        """Take the client's answer to the question."""
        is_first = len(self._questions) == len(_QUESTIONS[self._mechanism])
        self._questions = self._questions[1:]
        response = line.strip()
        if response == b"*":
            self._fail(CANCELLED)
        elif is_first:
            try:
                self.user = _user(self._mechanism, binascii.a2b_base64(response, strict_mode=True))
            except binascii.Error:
                self._fail(MALFORMED)

    def _fail(self, reply: str) -> None:
        self.reply = reply
        self._questions = ()


def _user(mechanism: str, response: bytes) -> str:
    """Return the name in the first response; of PLAIN's three fields it is the second."""
    if mechanism == "PLAIN":
        response = response.partition(b"\0")[2].partition(b"\0")[0]
    return response.decode("utf-8", "backslashreplace")
