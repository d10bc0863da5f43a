# SPDX-License-Identifier: ISC
"""
The policy delegation protocol of Postfix, both sides, without input and output.

    connection = PolicyConnection()
    for request in connection.receive_data(data):
        refused = request.client_address in banned
        action = Reply("421 4.7.0 Try again later") if refused else Dunno()
        send(connection.encode_action(request, action))

`postfix_policy.aio` has a server and a client, `postfix_policy.testing` what real Postfix sends. Requests read as typed
attributes up to Postfix 3.12 and keep those of later versions. Actions are those of access(5); one that Postfix would
take for another cannot be built.
"""

from postfix_policy._actions import (
    MAX_TEXT_LENGTH,
    Action,
    Bcc,
    Defer,
    DeferIfPermit,
    DeferIfReject,
    Discard,
    Dunno,
    Filter,
    Hold,
    Info,
    Ok,
    Prepend,
    Redirect,
    Reject,
    Reply,
    Restrictions,
    Warn,
    encode_action,
    parse_action,
)
from postfix_policy._attributes import ATTRIBUTES, REQUEST_KIND, Attribute, ProtocolState
from postfix_policy._errors import LocalProtocolError, PolicyProtocolError, RemoteProtocolError
from postfix_policy._protocol import ClientConnection, PolicyConnection
from postfix_policy._request import PolicyRequest, encode_request
from postfix_policy._wire import Limits

__all__ = [
    "ATTRIBUTES",
    "MAX_TEXT_LENGTH",
    "REQUEST_KIND",
    "Action",
    "Attribute",
    "Bcc",
    "ClientConnection",
    "Defer",
    "DeferIfPermit",
    "DeferIfReject",
    "Discard",
    "Dunno",
    "Filter",
    "Hold",
    "Info",
    "Limits",
    "LocalProtocolError",
    "Ok",
    "PolicyConnection",
    "PolicyProtocolError",
    "PolicyRequest",
    "Prepend",
    "ProtocolState",
    "Redirect",
    "Reject",
    "RemoteProtocolError",
    "Reply",
    "Restrictions",
    "Warn",
    "encode_action",
    "encode_request",
    "parse_action",
]
