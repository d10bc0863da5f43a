# SPDX-License-Identifier: ISC
"""
The answers to a policy request. What Postfix would take for something else cannot be built.

Postfix takes an empty action, an action of digits only and a code without text for OK, and most else that it does not
know for the name of a restriction. Not offered: HANGUP, which is no supported feature, and RELAY and numbers, other
words for OK.

Source: access(5); check_table_result() in smtpd_check.c.
"""

import re
from collections.abc import Callable
from typing import ClassVar, Final

import attrs

from postfix_policy._errors import LocalProtocolError, RemoteProtocolError
from postfix_policy._text import excerpt

MAX_TEXT_LENGTH: Final = 400
"""RFC 5321, 4.5.3.1.5 allows 512 with CRLF for the line that Postfix makes of it, which begins with code and client."""

MAX_HEADER_LENGTH: Final = 998
"""RFC 5322, 2.1.1."""

MAX_ADDRESS_LENGTH: Final = 320
"""RFC 5321, 4.5.3.1: 64 before the @, 255 after it."""

_TEXT: Final = re.compile(r"[!-~](?:[ -~]*[!-~])?")
_REPLY: Final = re.compile(r"([45])[0-9]{2} ([!-~](?:[ -~]*[!-~])?)")
_STATUS: Final = re.compile(r"([0-9])\.[0-9]{1,3}\.[0-9]{1,3}(?![^ ])")
_ADDRESS: Final = re.compile(r"[!-~]+@[!-~]+")
_DESTINATION: Final = re.compile(r"[!-9;-~]+:[!-~]*")
_HEADER: Final = re.compile(r"[!-9;-~]+: [ -~]*[!-~]")
_RESTRICTIONS: Final = re.compile(r"(?!.*\bpermit\b)[a-z_][a-z0-9_]*(?:,? [a-z0-9_]+)*")


def _check(
    field: "attrs.Attribute[str]", value: str, form: "re.Pattern[str]", rule: str, length: int
) -> None:
    """Raise LocalProtocolError unless *value* has *form* and at most *length* characters."""
    if len(value) > length:
        rule = f"have at most {length} characters"
    elif form.fullmatch(value):
        return
    raise LocalProtocolError(f"{field.name}: {excerpt(value)!r}: must {rule}")


def _check_status(field: "attrs.Attribute[str]", text: str, status_class: str) -> None:
    """Raise LocalProtocolError if *text* begins with an enhanced status code of another class (RFC 2034, 4)."""
    status = _STATUS.match(text)
    if status and status_class and status[1] != status_class:
        raise LocalProtocolError(
            f"{field.name}: {excerpt(text)!r}: must have a status of class {status_class}"
        )


def _check_text(action: "TextAction", field: "attrs.Attribute[str]", text: str) -> None:
    if text:
        _check(field, text, _TEXT, "be printable ASCII on one line, no blanks around it", MAX_TEXT_LENGTH)
        _check_status(field, text, action.status_class)


def _check_reply(_: object, field: "attrs.Attribute[str]", reply: str) -> None:
    rule = "be 4dd or 5dd, one blank and printable ASCII on one line, no blanks around it"
    _check(field, reply, _REPLY, rule, MAX_TEXT_LENGTH)
    _check_status(field, reply[4:], reply[0])


def _check_address(_: object, field: "attrs.Attribute[str]", address: str) -> None:
    _check(field, address, _ADDRESS, "be user@domain in ASCII without blanks", MAX_ADDRESS_LENGTH)


def _check_destination(_: object, field: "attrs.Attribute[str]", destination: str) -> None:
    rule = "be transport:destination in ASCII without blanks"
    _check(field, destination, _DESTINATION, rule, MAX_TEXT_LENGTH)


def _check_header(_: object, field: "attrs.Attribute[str]", header: str) -> None:
    _check(field, header, _HEADER, "be 'Name: value' in printable ASCII on one line", MAX_HEADER_LENGTH)


def _check_restrictions(_: object, field: "attrs.Attribute[str]", names: str) -> None:
    rule = "be names of restrictions, lower case, with blanks or commas between; not permit, nor an action"
    _check(field, names, _RESTRICTIONS, rule, MAX_TEXT_LENGTH)
    if re.split("[ ,]", names)[0].upper() in _WORDS:
        raise LocalProtocolError(f"{field.name}: {excerpt(names)!r}: must {rule}")


@attrs.frozen
class Action:
    """Base of the actions. Do not subclass it: only those of this module are sent."""

    word: ClassVar[str] = ""

    @property
    def line(self) -> str:
        """The action as it is on the wire."""
        return self.word


@attrs.frozen
class Dunno(Action):
    """No opinion: go on with the next restriction. The right answer for whom nothing is held against."""

    word = "DUNNO"


@attrs.frozen
class Ok(Action):
    """Permit, and skip what is left of this list of restrictions: an open relay where the relay rules come later."""

    word = "OK"


@attrs.frozen
class Reply(Action):
    """
    Refuse with an SMTP reply of one's own, ``4dd text`` or ``5dd text``, perhaps with an enhanced status code.

    421 and 521 close the connection as well.
    """

    reply: str = attrs.field(validator=_check_reply)

    @property
    def line(self) -> str:
        """The reply."""
        return self.reply


@attrs.frozen
class TextAction(Action):
    """Base of the actions with a text, which may be empty."""

    status_class: ClassVar[str] = ""
    text: str = attrs.field(default="", validator=_check_text)

    @property
    def line(self) -> str:
        """The word and the text."""
        return f"{self.word} {self.text}" if self.text else self.word


@attrs.frozen
class Reject(TextAction):
    """Refuse with $access_map_reject_code (554); at CONNECT the session stays open and is refused everything."""

    word, status_class = "REJECT", "5"


@attrs.frozen
class Defer(TextAction):
    """Refuse for now, with $access_map_defer_code (450)."""

    word, status_class = "DEFER", "4"


@attrs.frozen
class DeferIfPermit(TextAction):
    """Refuse for now if a later restriction permits. Does not stop AUTH."""

    word, status_class = "DEFER_IF_PERMIT", "4"


@attrs.frozen
class DeferIfReject(TextAction):
    """Refuse for now if a later restriction refuses."""

    word, status_class = "DEFER_IF_REJECT", "4"


@attrs.frozen
class Warn(TextAction):
    """Log a warning and go on."""

    word = "WARN"


@attrs.frozen
class Info(TextAction):
    """Log the text and go on. Since Postfix 3.0."""

    word = "INFO"


@attrs.frozen
class Hold(TextAction):
    """Put the message on hold and go on; not before MAIL."""

    word = "HOLD"


@attrs.frozen
class Discard(TextAction):
    """Permit as `Ok` does, and throw the message away; not before MAIL."""

    word = "DISCARD"


@attrs.frozen
class Filter(Action):
    """Send the message through a content filter; not before MAIL."""

    word = "FILTER"
    destination: str = attrs.field(validator=_check_destination)

    @property
    def line(self) -> str:
        """The word and the destination."""
        return f"{self.word} {self.destination}"


@attrs.frozen
class Prepend(Action):
    """Put a header in front of the message; neither before MAIL nor at END-OF-MESSAGE."""

    word = "PREPEND"
    header: str = attrs.field(validator=_check_header)

    @property
    def line(self) -> str:
        """The word and the header."""
        return f"{self.word} {self.header}"


@attrs.frozen
class AddressAction(Action):
    """Base of the actions with a mail address."""

    address: str = attrs.field(validator=_check_address)

    @property
    def line(self) -> str:
        """The word and the address."""
        return f"{self.word} {self.address}"


@attrs.frozen
class Redirect(AddressAction):
    """Deliver the message to this address instead; not before MAIL."""

    word = "REDIRECT"


@attrs.frozen
class Bcc(AddressAction):
    """Deliver the message to this address, too; not before MAIL. Since Postfix 3.0."""

    word = "BCC"


@attrs.frozen
class Restrictions(Action):
    """Apply restrictions of postconf(5) or restriction classes of the site: ``sleep 3, reject``."""

    names: str = attrs.field(validator=_check_restrictions)

    @property
    def line(self) -> str:
        """The names."""
        return self.names


_PLAIN: Final[dict[str, Action]] = {"DUNNO": Dunno(), "OK": Ok(), "PERMIT": Ok(), "RELAY": Ok()}
_WITH_ARGUMENT: Final[dict[str, Callable[[str], Action]]] = {
    kind.word: kind
    for kind in (
        *(Reject, Defer, DeferIfPermit, DeferIfReject, Warn, Info, Hold, Discard),
        *(Filter, Prepend, Redirect, Bcc),
    )
}
_WORDS: Final = frozenset({*_PLAIN, *_WITH_ARGUMENT, "HANGUP"})
_KINDS: Final = frozenset({Dunno, Ok, Reply, Restrictions, *_WITH_ARGUMENT.values()})


def encode_action(action: Action) -> bytes:
    """
    Return the reply that says *action*.

    Raises:
        LocalProtocolError: *action* is none of the actions of this module.

    """
    if type(action) not in _KINDS:
        raise LocalProtocolError(f"action: {excerpt(repr(action))}: must be an action")
    return f"action={action.line}\n\n".encode("ascii")


def parse_action(line: str) -> Action:
    """
    Return the action that stands after ``action=``.

    Stricter than Postfix: what it would take for OK without that word, a space in front, or other than ASCII is refused.

    Raises:
        RemoteProtocolError: *line* is none that can be built here.

    """
    name, _, argument = line.partition(" ")
    word = name.upper()
    if word in _PLAIN:  # Postfix ignores a text
        return _PLAIN[word]
    try:
        if word in _WITH_ARGUMENT:
            return _WITH_ARGUMENT[word](argument.strip(" "))
        return Reply(line) if line[:1].isdigit() else Restrictions(line)
    except LocalProtocolError as error:
        raise RemoteProtocolError(f"action: {error}") from None
