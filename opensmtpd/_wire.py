# SPDX-License-Identifier: ISC
"""Lines and events: one line is one event, whatever is in it, and each event of the schema has its line."""

from typing import Final

from opensmtpd import _schema
from opensmtpd._errors import RemoteProtocolError
from opensmtpd._events import Malformed
from opensmtpd._fields import encode_time, is_id, parse_time
from opensmtpd._names import Phase, Stream, Subsystem
from opensmtpd._reports import Report, UnknownReport
from opensmtpd._requests import FilterRequest, UnknownRequest
from opensmtpd._text import excerpt
from opensmtpd._version import Version, parse_version

Row = list[str]
"""A report or filter line: stream, version, time, subsystem, name, session and, if there is one, the payload."""

ID_LENGTH: Final = 16
_SESSION, _PAYLOAD = 5, 6


def split_row(line: str) -> Row:
    """Return the fields of a line without its newline; whatever follows the session is one field."""
    return line.split("|", _PAYLOAD)


def token_of(row: Row) -> str:
    """
    Return the token of a filter row.

    Raises:
        IndexError: the row ends before it.
        ValueError: it is not 16 lower-case hex digits.

    """
    payload = row[_PAYLOAD]
    token = payload[:ID_LENGTH]
    if payload[ID_LENGTH : ID_LENGTH + 1] not in ("", "|") or not is_id(token):
        raise ValueError("token: must be 16 lower-case hex digits")
    return token


def malformed(line: str, row: Row, problem: str) -> Malformed:
    """
    Return *line* as a malformed one, with the session and the token that can be read in it.

    A malformed data-line keeps its token to itself: smtpd dies of a decision in that phase.
    """
    session = row[_SESSION] if len(row) > _SESSION and is_id(row[_SESSION]) else None
    token = None
    if session is not None and row[0] == Stream.FILTER and row[4] != Phase.DATA_LINE:
        try:
            token = token_of(row)
        except (IndexError, ValueError):
            token = None
    return Malformed(excerpt(line), problem, session, token)


def parse_row(line: str, row: Row) -> Report | FilterRequest | Malformed:
    """Return the event of a line of the report or filter stream."""
    try:
        return _parse(line, row)
    except ValueError as error:
        return malformed(line, row, str(error))


def _parse(line: str, row: Row) -> Report | FilterRequest:
    if len(row) < _SESSION:
        raise ValueError(f"{len(row)} fields: must be at least {_SESSION}")
    stream, version_text, stamp, subsystem, name = row[:_SESSION]
    version = _version(version_text)
    time_s = parse_time(stamp)
    if stream == Stream.FILTER:
        return _parse_request(row, time_s, subsystem, name)
    if stream != Stream.REPORT:
        raise ValueError("stream: must be report or filter")
    if subsystem not in (Subsystem.SMTP_IN, Subsystem.SMTP_OUT):
        return UnknownReport(time_s, "", name, tuple(line.split("|")[_SESSION:]), subsystem=subsystem)
    session = _session(row)
    payload = row[_PAYLOAD] if len(row) > _PAYLOAD else None
    layout = _schema.reports(version).get(name)
    if layout is None:
        return UnknownReport(time_s, session, name, _all_fields(payload), subsystem=subsystem)
    report: Report = layout.event(time_s, session, subsystem=subsystem, **layout.parse(payload))
    return report


def _parse_request(row: Row, time_s: float, subsystem: str, name: str) -> FilterRequest:
    if subsystem != Subsystem.SMTP_IN:
        raise ValueError("subsystem: must be smtp-in")
    session = _session(row)
    if len(row) <= _PAYLOAD:
        raise ValueError("token: is missing")
    token = token_of(row)
    payload = row[_PAYLOAD][ID_LENGTH + 1 :] if len(row[_PAYLOAD]) > ID_LENGTH else None
    layout = _schema.REQUESTS.get(name)
    if layout is None:
        return UnknownRequest(
            time_s, session, token, name, () if payload is None else tuple(payload.split("|"))
        )
    request: FilterRequest = layout.event(time_s, session, token, **layout.parse(payload))
    return request


def _version(text: str) -> Version:
    try:
        return parse_version(text)
    except RemoteProtocolError:
        raise ValueError("version: must be 0.5 or a later 0.x") from None


def _all_fields(payload: str | None) -> tuple[str, ...]:
    return () if payload is None else tuple(payload.split("|"))


def _session(row: Row) -> str:
    if len(row) <= _SESSION or not is_id(row[_SESSION]):
        raise ValueError("session: must be 16 lower-case hex digits")
    return row[_SESSION]


def encode_event(event: Report | FilterRequest, version: str) -> str:
    """
    Return the line, with its newline, by which a server of *version* says *event*.

    Raises:
        RemoteProtocolError: *version* is none that this package knows.

    """
    ids: tuple[str, ...]
    if isinstance(event, FilterRequest):
        stream, subsystem, ids = Stream.FILTER, str(Subsystem.SMTP_IN), (event.session, event.token)
        layout = _schema.REQUESTS.get(event.phase)
    else:
        stream, subsystem, ids = Stream.REPORT, event.subsystem, (event.session,) if event.session else ()
        layout = _schema.reports(parse_version(version)).get(event.name)
    if layout is not None:
        name = layout.name
        payload = layout.encode(event)
    else:
        assert isinstance(event, UnknownRequest | UnknownReport)
        name = event.word
        payload = "".join(f"|{field}" for field in event.fields)
    if stream is Stream.FILTER and not payload:
        payload = "|"
    head = "|".join((stream, version, encode_time(event.time_s), subsystem, name, *ids))
    return f"{head}{payload}\n"
