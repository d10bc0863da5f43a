# SPDX-License-Identifier: ISC
"""
The attributes of a policy request: name, type and the Postfix version that sent it first, each spelt once.

Source: SMTPD_POLICY_README, Protocol description; requests of Postfix 3.7, 3.10 and 3.12 for their order and for the
last three attributes, which the manual does not list.
"""

import enum
import re
from collections.abc import Mapping
from typing import Any, Final

REQUEST_KIND: Final = "smtpd_access_policy"
"""The value of the attribute ``request``, the only one that must be there."""

_NUMBER: Final = re.compile("[0-9]{1,19}")

Version = tuple[int, int]


class ProtocolState(enum.StrEnum):
    """Where in the SMTP session Postfix asks. Never at STARTTLS, AUTH, RSET, NOOP or QUIT."""

    CONNECT = "CONNECT"
    HELO = "HELO"
    EHLO = "EHLO"
    MAIL = "MAIL"
    RCPT = "RCPT"
    DATA = "DATA"
    END_OF_MESSAGE = "END-OF-MESSAGE"
    VRFY = "VRFY"
    ETRN = "ETRN"


class Attribute:
    """An attribute of the table; on a request it reads as its value."""

    def __init__(self, since: str) -> None:
        major, _, minor = since.partition(".")
        self.since: Version = (int(major), int(minor))
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name


class Text(Attribute):
    """Reads as text, empty where it was not sent."""

    def __get__(self, request: Any, owner: type) -> str:
        text: str = request.attributes.get(self.name, "")
        return text


class Number(Attribute):
    """Reads as a number; 0 where it was not sent, is empty or is no number."""

    def __get__(self, request: Any, owner: type) -> int:
        text = request.attributes.get(self.name, "")
        return int(text) if _NUMBER.fullmatch(text) else 0


class Flag(Attribute):
    """Reads as whether it is ``yes``."""

    def __get__(self, request: Any, owner: type) -> bool:
        return bool(request.attributes.get(self.name) == "yes")


class KnownAttributes:
    """
    The attributes up to Postfix 3.12, in the order in which it sends them.

    What is not available is not sent, empty or 0. Addresses are in canonical text without brackets. Control characters
    in what a client sent are replaced by ``?``; backslash, ``=``, blanks and UTF-8 are not.
    """

    __slots__ = ()

    request = Text("2.1")  # REQUEST_KIND
    protocol_state = Text("2.1")  # a ProtocolState, or the word of a later version
    protocol_name = Text("2.1")  # SMTP or ESMTP; SMTP at CONNECT and in the first EHLO
    client_address = Text("2.1")
    client_name = Text("2.1")  # verified, or "unknown"
    client_port = Number("3.0")
    reverse_client_name = Text("2.1")  # not verified
    server_address = Text("3.2")
    server_port = Number("3.2")
    helo_name = Text("2.1")
    sender = Text("2.1")
    recipient = Text("2.1")  # after RCPT only if there is one
    recipient_count = Number("2.3")  # at DATA and END-OF-MESSAGE
    queue_id = Text("2.1")
    instance = Text("2.1")  # of one delivery; empty before the first RCPT
    size = Number("2.1")  # as announced; at END-OF-MESSAGE as it is
    etrn_domain = Text("2.3")
    stress = Flag("2.5")
    sasl_method = Text("2.2")
    sasl_username = Text("2.2")  # only after a login
    sasl_sender = Text("2.2")
    ccert_subject = Text("2.2")
    ccert_issuer = Text("2.2")
    ccert_fingerprint = Text("2.2")
    ccert_pubkey_fingerprint = Text("2.9")
    encryption_protocol = Text("2.3")
    encryption_cipher = Text("2.3")
    encryption_keysize = Number("2.3")
    tls_sni = Text("3.12")
    policy_context = Text("3.1")
    compatibility_level = Text("3.8")
    mail_version = Text("3.8")


ATTRIBUTES: Final[Mapping[str, Attribute]] = {
    name: attribute for name, attribute in vars(KnownAttributes).items() if isinstance(attribute, Attribute)
}
"""The table by name, in wire order."""
