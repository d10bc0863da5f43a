# SPDX-License-Identifier: ISC
"""
What a route needs to know of a row, so that no other package splits lines or puts answers together.

A route is called with the row of a line whose stream, version, subsystem and name are sound, and nothing else was
checked. These functions raise ValueError, KeyError or IndexError for what they cannot read, and a route may let that
pass: the protocol makes a `Malformed` of the line, which must be answered if it has a token. A route therefore answers
last of all it does.
"""

import functools
from collections.abc import Callable
from typing import Final

from opensmtpd._decisions import Proceed, encode_decision
from opensmtpd._fields import is_id
from opensmtpd._names import AuthResult
from opensmtpd._wire import ID_LENGTH, Row

Route = Callable[[Row], None]

_RESULTS: Final = {str(result): result for result in AuthResult}
_RESULT_LAST: Final = ("0.6", "0.5")
_LATEST_TIME_S: Final = 1e11  # the year 5138; also keeps "nan" and "inf" out
_PLAIN: Final = "PLAIN "
PROCEED: Final = encode_decision(Proceed())


@functools.lru_cache(maxsize=256)
def _checked_token(token: str) -> str:
    """Return *token*; a server has one for each phase, so that the cache answers nearly always."""
    if not is_id(token):
        raise ValueError("token: must be 16 lower-case hex digits")
    return token


def checked_session(row: Row) -> str:
    """Return the session of a row; to be used where a session is new, later ones are found in the program's table."""
    session = row[5]
    if not is_id(session):
        raise ValueError("session: must be 16 lower-case hex digits")
    return session


def row_time_s(row: Row) -> float:
    """Return the time of a row in Unix seconds."""
    time_s = float(row[2])
    if not 0 <= time_s < _LATEST_TIME_S:
        raise ValueError("time: must be digits, a dot and digits")
    return time_s


def request_token(row: Row) -> str:
    """Return the token of a filter row."""
    return _checked_token(row[6].partition("|")[0])


def connect_address(row: Row) -> str:
    """Return the client's address in a connect row: ``192.0.2.7``, ``[2001:db8::7]``, ``local``."""
    return row[6].rpartition("|")[2]


def initial_response(row: Row) -> str:
    """
    Return the argument of an auth row with ``PLAIN`` and an initial response, which holds a password; else "".

    Such a text must not be kept, nor written anywhere.
    """
    argument = row[6][ID_LENGTH + 1 :]
    return argument if argument[:6].upper() == _PLAIN else ""


def auth_result(row: Row) -> tuple[AuthResult, str]:
    """Return result and user name (as smtpd escaped it) of a link-auth row, in either order of the fields."""
    if row[1] in _RESULT_LAST:
        name, result = row[6].rsplit("|", 1)
    else:
        result, name = row[6].split("|", 1)
    return _RESULTS[result], name


def opening(row: Row) -> tuple[str, str]:
    """
    Return the client's address without the port, and the server's own with it, of a link-connect row.

    ``192.0.2.7`` or ``[2001:db8::7]``, and ``192.0.2.1:587`` or, for a wildcard listener, ``0.0.0.0:587``. The client
    of a local socket is ``unix``.
    """
    _, _, source, listener, *_ = row[6].split("|", 4)
    address, colon, _ = source.rpartition(":")
    if not colon:
        raise ValueError("src: must be an address and a port")
    return address, listener


def answerer(decision: str = PROCEED) -> Callable[[Row], str]:
    """
    Return a function that answers the rows of one phase with *decision*, as `encode_decision` made it.

    A server has one token for each phase, so that it is checked but once. The session must be one of the server's.
    """
    head = ending = "\n"  # in no row

    def answer(row: Row) -> str:
        nonlocal head, ending
        if not row[6].startswith(head):
            token = request_token(row)
            head, ending = f"{token}|", f"|{token}|{decision}"
        return f"filter-result|{row[5]}{ending}"

    return answer


def answer_row(row: Row, decision: str = PROCEED) -> str:
    """Return the line that answers a filter row with *decision*, as `encode_decision` made it."""
    return f"filter-result|{row[5]}|{_checked_token(row[6].partition('|')[0])}|{decision}"


def result_line(session: str, token: str, decision: str) -> str:
    """Return the answer that gives *decision*, as `encode_decision` made it: once, for thousands of answers."""
    return f"filter-result|{session}|{token}|{decision}"
