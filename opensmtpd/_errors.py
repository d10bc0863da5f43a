# SPDX-License-Identifier: ISC
"""Exceptions, by whose fault it is. Malformed lines are no exceptions but values: a filter must go on."""


class FilterProtocolError(Exception):
    """Base of both; never raised itself."""


class LocalProtocolError(FilterProtocolError, ValueError):
    """The program did, or wants to do, what the protocol forbids; nothing was sent."""


class RemoteProtocolError(FilterProtocolError):
    """The server speaks a protocol that this package does not know; the connection is of no use."""
