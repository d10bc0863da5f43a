# SPDX-License-Identifier: ISC
"""The policy request."""

import pytest

from postfix_policy import LocalProtocolError, PolicyRequest, encode_request


def test_unknown_attributes_are_kept() -> None:
    """Attributes of a later version are kept, and can be told from the known ones."""
    request = PolicyRequest({"request": "smtpd_access_policy", "quantum_state": "both", "size": "1"})
    assert request.unknown == {"quantum_state": "both"}
    assert request.attributes["quantum_state"] == "both"


def test_requests_compare_by_their_attributes() -> None:
    """Equal attributes make equal requests."""
    assert PolicyRequest({"a": "1"}) == PolicyRequest({"a": "1"})
    assert PolicyRequest({"a": "1"}) != PolicyRequest({"a": "2"})


def test_text_for_logs_is_bounded_and_printable() -> None:
    """A request in a log is short and on one line, whatever it holds."""
    sound = PolicyRequest({"protocol_state": "CONNECT", "client_address": "192.0.2.7"})
    assert str(sound) == "CONNECT from client 192.0.2.7"
    odd = str(PolicyRequest({"protocol_state": "\x1b[31m\r", "client_address": "ü" * 9999}))
    assert odd.startswith(r"\x1b[31m\r from client \xfc")
    assert len(odd) < 250


def test_wire_order_is_kept() -> None:
    """A request is encoded in the order of its attributes."""
    assert encode_request(PolicyRequest({"b": "2", "a": "1"})) == b"b=2\na=1\n\n"
    with pytest.raises(LocalProtocolError, match="must not be empty"):
        encode_request(PolicyRequest({}))
