# SPDX-License-Identifier: ISC
"""The ways into an account, each with the same question: is this password accepted, and if not, what is said."""

import attrs

from tests.real.accounts import USERS
from tests.real.client import Clients, Mechanism, Session
from tests.real.imap import ImapSession
from tests.real.network import IMAP, IMAPS, SMTPS, SUBMISSION

IMAP_PORTS = (IMAP, IMAPS)
DOORS = (SUBMISSION, SMTPS, IMAPS)


@attrs.frozen
class Answer:
    """What became of a login."""

    accepted: bool
    text: str


class Door:
    """One session at one port, ready for a login."""

    def __init__(self, clients: Clients, source: str, port: int) -> None:
        """
        Knock from the address *source*.

        Raises:
            OSError: it was not opened; the text has what was said instead.

        """
        self._session: Session | ImapSession
        if port in IMAP_PORTS:
            self._session = clients.open_imap(source, port)
        else:
            self._session = clients.open(source, port)

    def login(self, user: str, password: str, mechanism: Mechanism = Mechanism.PLAIN) -> Answer:
        """Try to log in; IMAP has its own command for that, whatever the *mechanism*."""
        if isinstance(self._session, ImapSession):
            reply = self._session.login(user, password)
            return Answer(reply.status == "OK", str(reply))
        answer = self._session.login(user, password, mechanism)
        return Answer(answer.code == 235, str(answer))

    def close(self) -> None:
        """Hang up."""
        self._session.close()


def login(
    clients: Clients,
    source: str,
    port: int,
    *,
    user: str = "alice",
    password: str = USERS["alice"],
) -> Answer:
    """Log in in a session of its own; a door that stays closed is an answer, too."""
    try:
        door = Door(clients, source, port)
    except OSError as error:
        return Answer(accepted=False, text=str(error))
    try:
        return door.login(user, password)
    finally:
        door.close()
