# SPDX-License-Identifier: ISC
"""Versions of the protocol."""

import pytest

from opensmtpd import RemoteProtocolError
from opensmtpd._version import parse_version


@pytest.mark.parametrize(
    ("text", "version"), {"0.5": (0, 5), "0.6": (0, 6), "0.7": (0, 7), "0.10": (0, 10)}.items()
)
def test_known(text: str, version: tuple[int, int]) -> None:
    """0.5 and all later 0.x can be read."""
    assert version == parse_version(text)


@pytest.mark.parametrize(
    "text", ["0.4", "1.0", "", "0", "0.7.1", "00.7", "0.07", "v0.7", "0.7 ", "\u0660.\u0667", "0.7777"]
)
def test_unknown(text: str) -> None:
    """Other versions, and what is none, cannot."""
    with pytest.raises(RemoteProtocolError, match=r"must be 0\.5 or a later 0\.x"):
        parse_version(text)
