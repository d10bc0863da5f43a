# SPDX-License-Identifier: ISC
"""
For tests of policy servers: what real Postfix sends, over a real connection or as bytes.

    with FakeSmtpd(("127.0.0.1", 10040)) as smtpd:
        session = FakeSession("192.0.2.7")
        assert smtpd.ask(session.connect()) == Dunno()

A session makes requests, an smtpd sends them. Requests are those of recorded servers, byte for byte.
"""

import contextlib
import itertools
import json
import socket
from pathlib import Path
from typing import Final, Self

from postfix_policy._actions import Action
from postfix_policy._attributes import ATTRIBUTES, REQUEST_KIND, Number, ProtocolState, Version
from postfix_policy._protocol import ClientConnection
from postfix_policy._request import PolicyRequest

__all__ = ["FakeSession", "FakeSmtpd", "read_transcript"]

_MAIL_VERSIONS: Final = {"3.7": "", "3.10": "3.10.13", "3.12": "3.12-20260821"}
_QUEUE_ID: Final = "A1D532148EA"
_NO_TRANSACTION: Final = {
    **dict.fromkeys(("sender", "recipient", "instance", "queue_id"), ""),
    **dict.fromkeys(("recipient_count", "size"), "0"),
}
_READ_BYTES: Final = 65536


def read_transcript(path: Path) -> list[PolicyRequest]:
    """Return the requests of a recorded dialogue: one JSON object a line, those with ``attrs`` are requests."""
    events = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return [PolicyRequest(event["attrs"]) for event in events if event["event"] == "request"]


class FakeSession:
    """
    An SMTP session as the policy requests of a Postfix that asks at every state (smtpd_delay_reject = no).

    Each method returns the request for a command of the client. There is none for STARTTLS, AUTH and the end.

    Args:
        client_address: In canonical text.
        client_port: None: another one for each session.
        server_port: The service: 25, 587 or 465.
        version: Of Postfix: 3.7, 3.10 or 3.12.
        attributes: More of them, for all requests: policy_context, client_name.

    """

    _ports = itertools.count(40001)
    _instances = itertools.count(1)

    def __init__(
        self,
        client_address: str = "192.0.2.7",
        *,
        client_port: int | None = None,
        server_address: str = "192.0.2.1",
        server_port: int = 587,
        version: str = "3.12",
        **attributes: str,
    ) -> None:
        major, _, minor = version.partition(".")
        wanted: Version = (int(major), int(minor))
        defaults = {
            name: "0" if isinstance(known, Number) else ""
            for name, known in ATTRIBUTES.items()
            if known.since <= wanted
        }
        known = {
            "request": REQUEST_KIND,
            "protocol_name": "SMTP",
            "client_address": client_address,
            "client_name": "unknown",
            "client_port": str(client_port or next(self._ports)),
            "reverse_client_name": "unknown",
            "server_address": server_address,
            "server_port": str(server_port),
            "compatibility_level": "3.6",
            "mail_version": _MAIL_VERSIONS[version],
        }
        self._attributes = {**defaults, **{name: known[name] for name in defaults if name in known}}
        self._attributes.update(attributes)
        self._recipients = 0

    def connect(self) -> PolicyRequest:
        """Return the request before the banner."""
        return self._request(ProtocolState.CONNECT)

    def ehlo(self, name: str = "client.example.net") -> PolicyRequest:
        """Return the request for EHLO, which clients send again after STARTTLS. It ends a transaction."""
        self.rset()
        request = self._request(ProtocolState.EHLO, helo_name=name)
        self._attributes.update(helo_name=name, protocol_name="ESMTP")
        return request

    def helo(self, name: str = "client.example.net") -> PolicyRequest:
        """Return the request for HELO. It ends a transaction."""
        self.rset()
        self._attributes["helo_name"] = name
        return self._request(ProtocolState.HELO)

    def start_tls(self) -> None:
        """Let a TLS handshake pass: STARTTLS, or the beginning of a session on port 465."""
        self._attributes.update(
            encryption_protocol="TLSv1.3",
            encryption_cipher="TLS_AES_256_GCM_SHA384",
            encryption_keysize="256",
        )

    def login(self, username: str, method: str = "PLAIN") -> None:
        """Let AUTH succeed. A failure changes nothing."""
        self._attributes.update(sasl_method=method, sasl_username=username)

    def mail(self, sender: str = "alice@example.org", size: int = 0) -> PolicyRequest:
        """Return the request for MAIL FROM, which begins a transaction."""
        self.rset()
        self._attributes.update(sender=sender, size=str(size))
        return self._request(ProtocolState.MAIL)

    def rcpt(self, recipient: str = "bob@example.org") -> PolicyRequest:
        """Return the request for RCPT TO; the recipient counts as accepted."""
        if (
            not self._recipients
        ):  # the first one gives the transaction its instance, its acceptance a queue file
            self._attributes["instance"] = f"2260.6b00f78f.9fbe5.{next(self._instances):x}"
        else:
            self._attributes["queue_id"] = _QUEUE_ID
        self._recipients += 1
        self._attributes["recipient"] = recipient
        return self._request(ProtocolState.RCPT)

    def data(self) -> PolicyRequest:
        """Return the request for DATA, which names the recipient only where there is no other."""
        self._attributes.update(queue_id=_QUEUE_ID, recipient_count=str(self._recipients))
        if self._recipients > 1:
            self._attributes["recipient"] = ""
        return self._request(ProtocolState.DATA)

    def end_of_message(self, size: int = 23) -> PolicyRequest:
        """Return the request for the end of the message, which ends the transaction."""
        request = self._request(ProtocolState.END_OF_MESSAGE, size=str(size))
        self.rset()
        return request

    def rset(self) -> None:
        """End the transaction."""
        self._recipients = 0
        self._attributes.update(_NO_TRANSACTION)

    def vrfy(self, recipient: str) -> PolicyRequest:
        """Return the request for VRFY."""
        return self._request(ProtocolState.VRFY, recipient=recipient)

    def etrn(self, domain: str) -> PolicyRequest:
        """Return the request for ETRN."""
        return self._request(ProtocolState.ETRN, etrn_domain=domain)

    def _request(self, state: ProtocolState, **attributes: str) -> PolicyRequest:
        return PolicyRequest({**self._attributes, "protocol_state": str(state), **attributes})


class FakeSmtpd:
    """
    An smtpd process: one connection to a policy server, one request at a time, any number of sessions.

    A context manager. It does not try again, as Postfix does: the first trouble is what a test wants to see.

    Args:
        address: Host and port, or the path of a unix socket.
        timeout_s: How long connecting and a reply may take.

    """

    def __init__(self, address: tuple[str, int] | str, *, timeout_s: float = 10.0) -> None:
        if isinstance(address, str):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(timeout_s)
            self.socket.connect(address)
        else:
            self.socket = socket.create_connection(address, timeout_s)
        self._core = ClientConnection()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def ask(self, request: PolicyRequest) -> Action:
        """
        Return the action for *request*.

        Raises:
            RemoteProtocolError: the server closed without a reply, or replied what is no action or was not asked for.
            TimeoutError: it did not reply in time.

        """
        data = self._core.encode_request(request)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # what follows finds the end
            self.socket.sendall(data)
        while True:
            try:
                data = self.socket.recv(_READ_BYTES)
            except ConnectionResetError:
                data = b""
            if not data:
                self._core.receive_eof()
            actions = list(self._core.receive_data(data))
            if actions:
                return actions[0]

    def close(self) -> None:
        """Close the connection, as Postfix does between requests."""
        self.socket.close()
