# SPDX-License-Identifier: ISC
"""
The filter protocol of OpenSMTPD, versions 0.5 to 0.7, without input and output.

    protocol = FilterProtocol()
    for event in protocol.receive_data(data):
        match event:
            case Ready():
                send(registration([ReportName.LINK_AUTH], [Phase.CONNECT]))
            case LinkAuth(result=AuthResult.FAIL):
                print(event.session, event.user)
            case FilterRequest() | Malformed(token=str()):
                send(protocol.encode_result(event, Proceed()))

`opensmtpd.aio` is the program around it, `opensmtpd.testing` a fake smtpd. Reports and phases of later versions come
as `UnknownReport` and `UnknownRequest`, lines that cannot be read as `Malformed`: a filter must not stop for them.
Not offered, because real servers die of it or do not do it: a decision for data-line, reports made by a filter on its
own, the phases' wildcard. Reports of other subsystems than smtp-in and smtp-out come as `UnknownReport`.
"""

from opensmtpd._address import Address
from opensmtpd._decisions import (
    AddReport,
    Decision,
    Disconnect,
    Junk,
    Proceed,
    Reject,
    Rewrite,
    encode_decision,
)
from opensmtpd._errors import FilterProtocolError, LocalProtocolError, RemoteProtocolError
from opensmtpd._events import Answerable, Event, Malformed, Ready, ServerConfig
from opensmtpd._names import (
    AuthResult,
    DecisionName,
    Fcrdns,
    FilterKind,
    Method,
    Phase,
    ReportName,
    Subsystem,
    TxResult,
)
from opensmtpd._protocol import FilterProtocol
from opensmtpd._registration import registration
from opensmtpd._reports import (
    FilterReport,
    FilterResponse,
    LinkAuth,
    LinkConnect,
    LinkDisconnect,
    LinkGreeting,
    LinkIdentify,
    LinkTls,
    ProtocolClient,
    ProtocolServer,
    Report,
    Timeout,
    TxBegin,
    TxCommit,
    TxData,
    TxEnvelope,
    TxMail,
    TxRcpt,
    TxReport,
    TxReset,
    TxRollback,
    UnknownReport,
)
from opensmtpd._requests import (
    Auth,
    Commit,
    Connect,
    Data,
    DataLine,
    Ehlo,
    FilterRequest,
    Helo,
    Help,
    MailFrom,
    Noop,
    Quit,
    RcptTo,
    Rset,
    StartTls,
    UnknownRequest,
    Wiz,
)
from opensmtpd._routes import (
    PROCEED,
    Route,
    answer_row,
    answerer,
    auth_result,
    checked_session,
    connect_address,
    initial_response,
    opening,
    request_token,
    result_line,
    row_time_s,
)
from opensmtpd._session import TRACKED, Anomaly, Link, Session, SessionTracker, Tx
from opensmtpd._text import excerpt, readable, unvis, without_credentials
from opensmtpd._wire import Row

__all__ = [
    "PROCEED",
    "TRACKED",
    "AddReport",
    "Address",
    "Anomaly",
    "Answerable",
    "Auth",
    "AuthResult",
    "Commit",
    "Connect",
    "Data",
    "DataLine",
    "Decision",
    "DecisionName",
    "Disconnect",
    "Ehlo",
    "Event",
    "Fcrdns",
    "FilterKind",
    "FilterProtocol",
    "FilterProtocolError",
    "FilterReport",
    "FilterRequest",
    "FilterResponse",
    "Helo",
    "Help",
    "Junk",
    "Link",
    "LinkAuth",
    "LinkConnect",
    "LinkDisconnect",
    "LinkGreeting",
    "LinkIdentify",
    "LinkTls",
    "LocalProtocolError",
    "MailFrom",
    "Malformed",
    "Method",
    "Noop",
    "Phase",
    "Proceed",
    "ProtocolClient",
    "ProtocolServer",
    "Quit",
    "RcptTo",
    "Ready",
    "Reject",
    "RemoteProtocolError",
    "Report",
    "ReportName",
    "Rewrite",
    "Route",
    "Row",
    "Rset",
    "ServerConfig",
    "Session",
    "SessionTracker",
    "StartTls",
    "Subsystem",
    "Timeout",
    "Tx",
    "TxBegin",
    "TxCommit",
    "TxData",
    "TxEnvelope",
    "TxMail",
    "TxRcpt",
    "TxReport",
    "TxReset",
    "TxResult",
    "TxRollback",
    "UnknownReport",
    "UnknownRequest",
    "Wiz",
    "answer_row",
    "answerer",
    "auth_result",
    "checked_session",
    "connect_address",
    "encode_decision",
    "excerpt",
    "initial_response",
    "opening",
    "readable",
    "registration",
    "request_token",
    "result_line",
    "row_time_s",
    "unvis",
    "without_credentials",
]
