# SPDX-License-Identifier: ISC
"""The exceptions."""

from postfix_policy import LocalProtocolError, PolicyProtocolError, RemoteProtocolError


def test_whose_fault() -> None:
    """The two errors share a base and are apart; what the program does wrong is a ValueError."""
    assert issubclass(LocalProtocolError, PolicyProtocolError)
    assert issubclass(RemoteProtocolError, PolicyProtocolError)
    assert issubclass(LocalProtocolError, ValueError)
    assert not issubclass(RemoteProtocolError, (LocalProtocolError, ValueError))
