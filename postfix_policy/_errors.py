# SPDX-License-Identifier: ISC
"""Exceptions, by whose fault it is."""


class PolicyProtocolError(Exception):
    """Base of both; never raised itself."""


class LocalProtocolError(PolicyProtocolError, ValueError):
    """The program did, or wants to do, what the protocol forbids; nothing was sent."""


class RemoteProtocolError(PolicyProtocolError):
    """The other side broke the protocol or a limit; the connection is of no use any more."""
