# SPDX-License-Identifier: ISC
"""Loopback addresses of the actors."""

import pytest

from filter_ban.demo.cast import Cast, NoStage, can_bind, choose_cast


def test_addresses_of_their_own() -> None:
    """Where all of 127.0.0.0/8 is ours, each actor has an address, and there is nothing to remark."""
    cast = choose_cast(lambda _address: True)
    assert cast == Cast("127.0.0.66", "127.0.0.10", "127.0.0.20")
    assert list(cast.names.values()) == ["alice", "bob's phone", "guesser"]
    assert cast.hosts == ("127.0.0.1",)


def test_two_addresses() -> None:
    """With 127.0.0.1 and ::1 only, honest user and phone share one; the remark says how to have more."""
    cast = choose_cast({"127.0.0.1", "::1"}.__contains__)
    assert cast.names == {"::1": "alice, bob's phone", "127.0.0.1": "guesser"}
    assert cast.hosts == ("127.0.0.1", "::1")
    assert "ifconfig lo0 alias 127.0.0.66/32" in cast.remark


def test_one_address() -> None:
    """With one address there is no demonstration, and the error says what to do."""
    with pytest.raises(NoStage, match="ifconfig lo0 alias"):
        choose_cast({"127.0.0.1"}.__contains__)


@pytest.mark.parametrize(
    ("address", "ours"), [("127.0.0.1", True), ("192.0.2.1", False), ("2001:db8::1", False)]
)
def test_can_bind(address: str, ours: bool) -> None:
    """An address of this machine can be bound, a foreign one cannot."""
    assert can_bind(address) is ours
