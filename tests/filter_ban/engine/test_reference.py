# SPDX-License-Identifier: ISC
"""References that people read out."""

import re

from hypothesis import given
from hypothesis import strategies as st

from filter_ban.client import ClientKey, parse_network
from filter_ban.engine.reference import make_reference


@given(st.binary(min_size=4, max_size=4), st.integers(0, 2**40))
def test_form(packed: bytes, start_s: int) -> None:
    """Eight digits and capitals, without those that are mistaken for another."""
    assert re.fullmatch("[0-9A-HJKMNP-TV-Z]{8}", make_reference(ClientKey(packed + b"\x20"), start_s))


def test_each_ban_has_its_own() -> None:
    """Of thousands of bans no two have the same, and the same ban has the same anywhere."""
    client = parse_network("192.0.2.7")
    starts = {make_reference(client, start_s) for start_s in range(2000)}
    clients = {make_reference(ClientKey(n.to_bytes(4) + b"\x20"), 0) for n in range(2000)}

    assert len(starts) == len(clients) == 2000
    assert make_reference(client, 1_763_690_000) == "JHEDAMCQ"
