# SPDX-License-Identifier: ISC
"""
The words of the protocol, each spelt once.

Source: smtpd-filters(7); smtpd's lka_filter.c and lka_report.c for the two phases that reports name otherwise.
"""

import enum


class Stream(enum.StrEnum):
    """The two streams from the server, and the one of the handshake."""

    CONFIG = "config"
    REPORT = "report"
    FILTER = "filter"


class Subsystem(enum.StrEnum):
    """Whose sessions: those of the SMTP server, or those of the client that delivers (reports only)."""

    SMTP_IN = "smtp-in"
    SMTP_OUT = "smtp-out"


class ReportName(enum.StrEnum):
    """The report events."""

    LINK_CONNECT = "link-connect"
    LINK_DISCONNECT = "link-disconnect"
    LINK_GREETING = "link-greeting"
    LINK_IDENTIFY = "link-identify"
    LINK_TLS = "link-tls"
    LINK_AUTH = "link-auth"
    TX_RESET = "tx-reset"
    TX_BEGIN = "tx-begin"
    TX_MAIL = "tx-mail"
    TX_RCPT = "tx-rcpt"
    TX_ENVELOPE = "tx-envelope"
    TX_DATA = "tx-data"
    TX_COMMIT = "tx-commit"
    TX_ROLLBACK = "tx-rollback"
    PROTOCOL_CLIENT = "protocol-client"
    PROTOCOL_SERVER = "protocol-server"
    FILTER_REPORT = "filter-report"
    FILTER_RESPONSE = "filter-response"
    TIMEOUT = "timeout"


class Phase(enum.StrEnum):
    """The points of a session a filter can be asked about; servers never ask HELP and WIZ."""

    CONNECT = "connect"
    HELO = "helo"
    EHLO = "ehlo"
    STARTTLS = "starttls"
    AUTH = "auth"
    MAIL_FROM = "mail-from"
    RCPT_TO = "rcpt-to"
    DATA = "data"
    DATA_LINE = "data-line"
    RSET = "rset"
    QUIT = "quit"
    NOOP = "noop"
    HELP = "help"
    WIZ = "wiz"
    COMMIT = "commit"


REPORTED_PHASES = {Phase.CONNECT: "connected", Phase.STARTTLS: "tls"}
"""How filter-response names the phases that it does not call by their name."""


class DecisionName(enum.StrEnum):
    """The decisions a filter can take."""

    PROCEED = "proceed"
    JUNK = "junk"
    REJECT = "reject"
    DISCONNECT = "disconnect"
    REWRITE = "rewrite"
    REPORT = "report"


class AuthResult(enum.StrEnum):
    """How a login ended; ERROR (the credentials could not be looked up) is not the client's fault."""

    PASS = "pass"  # noqa: S105 - a word of the protocol, no password
    FAIL = "fail"
    ERROR = "error"


class TxResult(enum.StrEnum):
    """How the server answered a command of a transaction."""

    OK = "ok"
    PERMFAIL = "permfail"
    TEMPFAIL = "tempfail"


class Fcrdns(enum.StrEnum):
    """Whether the client's name, looked up, leads back to its address."""

    PASS = "pass"  # noqa: S105 - a word of the protocol, no password
    FAIL = "fail"
    ERROR = "error"


class Method(enum.StrEnum):
    """The command by which a client introduced itself."""

    HELO = "HELO"
    EHLO = "EHLO"


class FilterKind(enum.StrEnum):
    """What made a filter-report: a rule of smtpd.conf or a program."""

    BUILTIN = "builtin"
    PROC = "proc"
