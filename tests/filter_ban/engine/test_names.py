# SPDX-License-Identifier: ISC
"""Names that nobody has who belongs here."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_ban.engine.names import Names
from filter_ban.model import Kind

DOMAINS = ("Example.org", "example.net")
TRAPS = ("Admin", "old@example.org")


@pytest.mark.parametrize(
    ("user", "kind"),
    [
        ("", None),
        ("anna", None),
        ("anna@example.org", None),
        ("anna@EXAMPLE.NET", None),
        ("anna@example.com", Kind.FOREIGN_DOMAIN),
        ("anna@sub.example.org", Kind.FOREIGN_DOMAIN),
        ("anna@", Kind.FOREIGN_DOMAIN),
        ("anna@example.com@example.org", None),
        ("anna@example.org@example.com", Kind.FOREIGN_DOMAIN),
        ("admin", Kind.TRAP_USER),
        ("ADMIN", Kind.TRAP_USER),
        ("admin@example.org", Kind.TRAP_USER),
        ("admin@example.com", Kind.TRAP_USER),
        ("administrator", None),
        ("old", None),
        ("OLD@example.ORG", Kind.TRAP_USER),
        ("old@example.net", None),
    ],
)
def test_kind_of(user: str, kind: Kind | None) -> None:
    """A trap comes before a domain; letter case is of no account; a name without a domain is ours."""
    assert Names(DOMAINS, TRAPS).kind_of(user) is kind


@given(st.text())
def test_no_name_is_strange_where_none_is_named(user: str) -> None:
    """Without domains and traps every name may be."""
    assert not Names((), ())
    assert Names((), ()).kind_of(user) is None


@given(st.text())
def test_any_text_is_a_name(user: str) -> None:
    """No text is an error."""
    assert Names(DOMAINS, TRAPS).kind_of(user) in (None, Kind.FOREIGN_DOMAIN, Kind.TRAP_USER)


def test_no_domain_is_foreign_without_ours() -> None:
    """Traps alone do not say which domains are ours."""
    assert Names((), TRAPS).kind_of("anna@example.com") is None
