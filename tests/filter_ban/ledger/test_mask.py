# SPDX-License-Identifier: ISC
"""Tests of filter_ban.ledger.mask."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_ban.ledger.mask import MAX_CHARS, mask

CASES = {
    "address": ("alice@example.org", "al…@example.org"),
    "subdomain": ("alice@mail.example.co.uk", "al…@mail.example.co.uk"),
    "address with plus": ("alice+list@example.org", "al…@example.org"),
    "two at": ("alice@home@example.org", "al…@example.org"),
    "short local part": ("bob@example.org", "…@example.org"),
    "one letter": ("a@example.org", "…@example.org"),
    "no local part": ("@example.org", "@example.org"),
    "IDN": ("jürgen@müller.example", "jü…@müller.example"),
    "punycode": ("info@xn--mller-kva.xn--p1ai", "in…@xn--mller-kva.xn--p1ai"),
    "plain name": ("administrator", "ad…"),
    "short name": ("bob", "…"),
    "four letters": ("root", "ro…"),
    "empty": ("", ""),
    "password": ("hunter2 correct horse", "hu…"),
    "password with at": ("p@ssw0rd!", "p@…"),
    "no domain": ("alice@", "al…"),
    "host without dot": ("alice@localhost", "al…"),
    "domain of digits": ("alice@1.2.3.4", "al…"),
    "domain with space": ("alice@example .org", "al…"),
    "underscore first": ("alice@_example.org", "al…"),
    "control characters": ("\x1b]0;x\x07@example.org", "\\x1b]…@example.org"),
    "newline": ("a\nb\nc", "a\\n…"),
    "trailing newline": ("alice@example.org\n", "al…"),
    "right to left override": ("\u202eecila", "\\u202ee…"),
    "undecodable": ("\udcff\udcfe\udcfd\udcfc", "\\udcff\\udcfe…"),
    "backslash": ("\\\\server\\user", "\\\\\\\\…"),
    "emoji": ("🦊🦊🦊🦊", "🦊🦊…"),
    "long name": ("x" * 100_000, "xx…"),
    "long local part": ("x" * 300 + "@example.org", "xx…@example.org"),
    "long domain": ("alice@" + "sub." * 30 + "example.org", "al…@…" + ("sub." * 30 + "example.org")[-59:]),
    "endless domain": ("alice@" + "a." * 200 + "org", "al…"),
}


@pytest.mark.parametrize(("user", "masked"), CASES.values(), ids=CASES.keys())
def test_mask(user: str, masked: str) -> None:
    """A name shows two characters at most, and its domain where it has one."""
    assert masked == mask(user)


@given(st.text())
def test_bounded_and_printable(user: str) -> None:
    """Whatever a client sends gives few printable characters."""
    masked = mask(user)

    assert len(masked) <= MAX_CHARS
    assert masked == "" or masked.isprintable()


@given(st.text(st.characters(exclude_characters="@"), min_size=1))
def test_nothing_but_the_head(user: str) -> None:
    """Of a name without a domain no more than two characters decide what is stored."""
    assert mask(user[:2] + "another") == mask(user) or len(user) <= 3


@given(st.text(min_size=1))
def test_password_in_place_of_a_name(secret: str) -> None:
    """What stands behind an @ and is no domain is not shown."""
    assert mask("user@" + secret + "!") == "us…"
