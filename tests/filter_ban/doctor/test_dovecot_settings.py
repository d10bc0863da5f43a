# SPDX-License-Identifier: ISC
"""What doveconf prints, read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_ban.doctor.dovecot_settings import DEFAULT_ATTRIBUTES, milliseconds, parse_doveconf
from tests.filter_ban.doctor import printed

TIMES = {
    "1000": 1000,
    "1000 ms": 1000,
    "1500msecs": 1500,
    "2s": 2000,
    "2 secs": 2000,
    "1 min": 60_000,
    "1 h": 3_600_000,
    "0": 0,
    "": None,
    "soon": None,
    "1 day": None,
}


@pytest.mark.parametrize("series", ["2.3", "2.4"])
def test_names(series: str) -> None:
    """Both series say the same under the same names, whether they print blocks or not."""
    settings = printed.dovecot(f"{series}-right")
    assert settings.series == series
    assert settings.get("auth_policy_server_url") == "http://127.0.0.1:10041/"
    assert settings.is_hidden("auth_policy_hash_nonce")
    assert settings.is_on("auth_policy_check_before_auth")
    assert not settings.is_on("auth_policy_check_after_auth")
    assert set(settings.get("service anvil/unix_listener anvil-auth-penalty/mode")) == {"0"}
    assert set(DEFAULT_ATTRIBUTES) <= set(settings.attributes)


def test_values() -> None:
    """Values may be quoted or empty, names of sections too; what is built in need not be there."""
    settings = parse_doveconf(
        '# 2.4.1-4 (7d8c0e5759): x\nprotocols = " imap"\na = "b\\"c"\nd = \nnamespace "x y" {\n  e = {\n}\n}\n'
    )
    assert [settings.get(name) for name in ("protocols", "a", "d", 'namespace "x y"/e')] == [
        " imap",
        'b"c',
        "",
        "{",
    ]
    assert settings.get("auth_mechanisms") == "plain"


@pytest.mark.parametrize(("text", "expected"), TIMES.items())
def test_time(text: str, expected: int | None) -> None:
    """Times are read in each form that Dovecot knows for them."""
    assert milliseconds(text) == expected


@given(st.text(alphabet='a{} =\n"#\\_'))
def test_anything(text: str) -> None:
    """Whatever is printed, there is a value."""
    assert isinstance(parse_doveconf(text).get("a"), str)
