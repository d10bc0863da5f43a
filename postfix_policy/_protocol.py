# SPDX-License-Identifier: ISC
"""
Both sides of a policy connection without input and output.

Source: SMTPD_POLICY_README, Protocol description.
"""

from collections import deque
from collections.abc import Iterator

from postfix_policy._actions import Action, encode_action, parse_action
from postfix_policy._attributes import REQUEST_KIND
from postfix_policy._errors import LocalProtocolError, RemoteProtocolError
from postfix_policy._request import PolicyRequest, encode_request
from postfix_policy._text import excerpt
from postfix_policy._wire import AttributeParser, Limits


class PolicyConnection:
    """
    One connection from Postfix, seen from the policy server: bytes in, requests out; actions in, bytes out.

    In case of trouble the server must not reply: it logs a warning and closes the connection, and Postfix tries again.

    Args:
        limits: What Postfix may send.

    """

    def __init__(self, limits: Limits | None = None) -> None:
        limits = limits or Limits()
        self._max_pending = limits.pending
        self._parser = AttributeParser(limits)
        self._pending: deque[PolicyRequest] = deque()

    @property
    def pending(self) -> tuple[PolicyRequest, ...]:
        """The requests that were yielded and not yet answered, oldest first."""
        return tuple(self._pending)

    @property
    def incomplete(self) -> bool:
        """Whether a request was begun and not ended."""
        return self._parser.incomplete

    def receive_data(self, data: bytes) -> Iterator[PolicyRequest]:
        """
        Yield the requests that *data* completes; any cut of a stream gives the same ones. Use the iterator up.

        Raises:
            RemoteProtocolError: the stream breaks the protocol or a limit here; the requests before may still be
                answered. So does any further call. Only that.

        """
        pending = self._pending
        for attributes in self._parser.receive_data(data):
            if attributes.get("request") != REQUEST_KIND:
                self._parser.fail(
                    f"request: {excerpt(attributes.get('request', ''))!r}: must be {REQUEST_KIND}"
                )
            if len(pending) == self._max_pending:
                self._parser.fail(f"more than {self._max_pending} requests without an answer")
            request = PolicyRequest(attributes)
            pending.append(request)
            yield request

    def receive_eof(self) -> None:
        """
        End the stream; nobody waits for answers any more.

        Raises:
            RemoteProtocolError: it ends inside a request.

        """
        self._pending.clear()
        self._parser.receive_eof()

    def encode_action(self, request: PolicyRequest, action: Action) -> bytes:
        """
        Return the reply to *request*, which is no longer pending then.

        Args:
            request: The oldest one that is pending: replies carry no name, their order is all.
            action: Any. After a LocalProtocolError on account of it the request is still pending.

        Raises:
            LocalProtocolError: it is not the turn of *request*, or *action* is none.

        """
        if not self._pending or self._pending[0] is not request:
            raise LocalProtocolError(f"request: {request}: must be the oldest one without an answer")
        reply = encode_action(action)
        self._pending.popleft()
        return reply


class ClientConnection:
    """
    One connection to a policy server, seen from Postfix: requests in, bytes out; bytes in, actions out.

    Args:
        limits: What the server may send.

    """

    def __init__(self, limits: Limits | None = None) -> None:
        self._parser = AttributeParser(limits or Limits())
        self._asked = 0

    def encode_request(self, request: PolicyRequest) -> bytes:
        """
        Return the bytes that ask for *request*.

        Raises:
            LocalProtocolError: *request* cannot be sent.

        """
        data = encode_request(request)
        self._asked += 1
        return data

    def receive_data(self, data: bytes) -> Iterator[Action]:
        """
        Yield the actions that *data* completes, in the order of the requests. Use the iterator up.

        Raises:
            RemoteProtocolError: a reply that was not asked for, or holds no sound action; see `parse_action`.

        """
        for attributes in self._parser.receive_data(data):
            if not self._asked:
                self._parser.fail("reply: must come after a request")
            if "action" not in attributes:
                self._parser.fail("reply: must have an action")
            self._asked -= 1
            try:
                action = parse_action(attributes["action"])
            except RemoteProtocolError as error:
                self._parser.fail(str(error))
            yield action

    def receive_eof(self) -> None:
        """
        End the stream.

        Raises:
            RemoteProtocolError: it ends inside a reply, or before one.

        """
        self._parser.receive_eof()
        if self._asked:
            self._parser.fail("connection: closed without a reply")
