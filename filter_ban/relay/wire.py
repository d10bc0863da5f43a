# SPDX-License-Identifier: ISC
"""
The words of the filter protocol that the relay needs, both ways.

Everything here is total: any bytes give a value or None. Source: smtpd-filters(7).
"""

EVENTS = (b"link-connect", b"link-tls", b"link-identify", b"link-auth", b"link-disconnect")
PHASES = (b"connect", b"auth", b"mail-from")

CONFIG_READY = b"config|ready"
REGISTER_READY = b"register|ready"
REGISTRATION = b"".join(
    [b"register|report|smtp-in|%b\n" % event for event in EVENTS]
    + [b"register|filter|smtp-in|%b\n" % phase for phase in PHASES]
    + [REGISTER_READY + b"\n"]
)

PROCEED = b"proceed"
MAX_REPLY_BYTES = 500  # RFC 5321, 4.5.3.1.5: 512 with CRLF; smtpd cuts or dies far above

_HEX = b"0123456789abcdef"
_ID_CHARS = 16


def is_id(field: bytes) -> bool:
    """Return whether *field* has the form of a session or token: 16 lower-case hex digits."""
    return len(field) == _ID_CHARS and not field.strip(_HEX)


def is_reply(text: bytes) -> bool:
    """Return whether *text* is one SMTP reply that smtpd takes: ``4dd`` or ``5dd``, a blank, printable ASCII."""
    code, blank, rest = text[:3], text[3:4], text[4:]
    return (
        len(text) <= MAX_REPLY_BYTES
        and code.isdigit()
        and code[:1] in (b"4", b"5")
        and blank == b" "
        and bool(rest.strip())
        and rest.isascii()
        and rest.decode("ascii").isprintable()
    )


def parse_report(line: bytes) -> tuple[bytes, bytes] | None:
    """Return event and session of a ``report|`` line, or None if they cannot be read."""
    fields = line.split(b"|", 6)
    if len(fields) < 6 or fields[0] != b"report" or not is_id(fields[5]):  # noqa: PLR2004 - fields up to the session
        return None
    return fields[4], fields[5]


def parse_request(line: bytes) -> tuple[bytes, bytes] | None:
    """Return session and token of a ``filter|`` line, or None if they cannot be read."""
    fields = line.split(b"|", 7)
    if len(fields) < 7 or fields[0] != b"filter" or not (is_id(fields[5]) and is_id(fields[6])):  # noqa: PLR2004 - up to the token
        return None
    return fields[5], fields[6]


def parse_result(line: bytes) -> tuple[bytes, bytes, bytes] | None:
    """Return session, token and decision (with its text) of a ``filter-result|`` line that smtpd would take, or None."""
    fields = line.split(b"|", 3)
    if len(fields) != 4 or fields[0] != b"filter-result" or not (is_id(fields[1]) and is_id(fields[2])):  # noqa: PLR2004 - word, session, token, decision
        return None
    word, bar, text = fields[3].partition(b"|")
    legal = is_reply(text) if word in (b"reject", b"disconnect") else word == PROCEED and not bar
    return (fields[1], fields[2], fields[3]) if legal else None


def encode_result(session: bytes, token: bytes, decision: bytes) -> bytes:
    """Return the line that answers a request; session before token since version 0.5."""
    return b"filter-result|%b|%b|%b\n" % (session, token, decision)
