# SPDX-License-Identifier: ISC
"""The table of attributes."""

import pytest

from postfix_policy import ATTRIBUTES, PolicyRequest, ProtocolState
from postfix_policy._attributes import Flag, Number

SINCE_2_1 = (
    "request protocol_state protocol_name helo_name queue_id sender recipient client_address client_name "
    "reverse_client_name instance size"
)
SINCE = {  # SMTPD_POLICY_README; 3.8 and 3.12 as measured
    (2, 1): SINCE_2_1,
    (2, 2): "sasl_method sasl_username sasl_sender ccert_subject ccert_issuer ccert_fingerprint",
    (2, 3): "encryption_protocol encryption_cipher encryption_keysize etrn_domain recipient_count",
    (2, 5): "stress",
    (2, 9): "ccert_pubkey_fingerprint",
    (3, 0): "client_port",
    (3, 1): "policy_context",
    (3, 2): "server_address server_port",
    (3, 8): "compatibility_level mail_version",
    (3, 12): "tls_sni",
}


def test_versions() -> None:
    """Each attribute has the version that sent it first, and none is missing."""
    expected = {name: version for version, names in SINCE.items() for name in names.split()}
    assert {name: attribute.since for name, attribute in ATTRIBUTES.items()} == expected


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_each_attribute_reads_as_its_type(name: str) -> None:
    """Sent, each attribute reads as its value; empty or missing as nothing of its type."""
    attribute = ATTRIBUTES[name]
    wire, value, nothing = (
        ("587", 587, 0)
        if isinstance(attribute, Number)
        else ("yes", True, False)
        if isinstance(attribute, Flag)
        else ("some=thing", "some=thing", "")
    )
    values = [getattr(PolicyRequest(sent), name) for sent in ({name: wire}, {name: ""}, {})]
    assert values == [value, nothing, nothing]
    assert type(values[0]) is type(values[1]) is type(nothing)


@pytest.mark.parametrize(
    "text", ["-1", "+1", " 1", "1 ", "0x1", "1_0", "1.5", "²", "\u0661", "abc", "9" * 20, "1\n"]
)
def test_no_number(text: str) -> None:
    """A number that is none is not available."""
    assert PolicyRequest({"size": text}).size == 0


def test_longest_number() -> None:
    """Numbers of 19 digits are read."""
    assert PolicyRequest({"size": "9" * 19}).size == 10**19 - 1


def test_states_compare_with_text() -> None:
    """A state of the wire equals its name; one of a later version stays text."""
    assert PolicyRequest({"protocol_state": "END-OF-MESSAGE"}).protocol_state == ProtocolState.END_OF_MESSAGE
    assert PolicyRequest({"protocol_state": "AUTH"}).protocol_state == "AUTH"
