# SPDX-License-Identifier: ISC
"""Tags of names and secrets, and what of them other nodes are told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_ban.tags import SecretTags, UserTags, heard_form

KEY = b"k" * 32


@given(st.text(), st.sampled_from([(b"", 0), (KEY, 12), (KEY, 0)]))
def test_a_tag_is_no_constant_of_the_engine(secret: str, shared: tuple[bytes, int]) -> None:
    """The same text has the same tag, of 32 bits, and none that says that there is nothing to be seen."""
    tags = SecretTags(*shared)

    assert tags.of(secret) == tags.of(secret)
    assert 2 <= tags.of(secret) < 2**32


def test_processes_share_what_is_told_and_no_more() -> None:
    """Where they have the same key; the rest of a tag is the process's own."""
    one, other, stranger = SecretTags(KEY, 12), SecretTags(KEY, 12), SecretTags(b"l" * 32, 12)
    secrets = [f"secret {number}" for number in range(50)]

    assert all(heard_form(one.of(s), 12) == heard_form(other.of(s), 12) for s in secrets)
    assert any(heard_form(one.of(s), 12) != heard_form(stranger.of(s), 12) for s in secrets)
    assert all(one.of(s) != other.of(s) for s in secrets)
    assert len({heard_form(one.of(s), 12) for s in secrets}) > 40


@pytest.mark.parametrize(
    ("tag", "bits", "told"),
    [
        (0, 12, 0),
        (1, 12, 0),
        (0x8000_0FFF, 0, 0),
        (0x8765_4321, 12, 0x4000_0321),
        (0x8765_4321, 16, 0x4000_4321),
        (0x4000_4321, 12, 0x4000_4321),
        (0xC000_0001, 4, 0x4000_0001),
    ],
)
def test_what_others_are_told(tag: int, bits: int, told: int) -> None:
    """A few bits; nothing of a secret that is not visible; what was heard is passed on as it is."""
    assert heard_form(tag, bits) == told


def test_user_tags_know_no_case_and_are_kept_in_bounds() -> None:
    """The empty name has none."""
    tags = UserTags(KEY)

    assert tags.of("") == 0
    assert tags.of("Anna@Example.org") == tags.of("anna@example.org") != tags.of("bert@example.org")
    before = tags.of("anna")
    for number in range(10_000):
        tags.of(f"user{number}")
    assert tags.of("anna") == before
