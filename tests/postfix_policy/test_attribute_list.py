# SPDX-License-Identifier: ISC
"""Attributes read from the bytes one by one are those that a dictionary of the whole list has."""

from hypothesis import given
from hypothesis import strategies as st

from postfix_policy._attribute_list import AttributeList, decode

NAMES = st.sampled_from([b"a", b"ab", b"a_b", b"b", b"b\\xff", b"\xff", b"\xc3\xa9", b" a", b"9"])
VALUES = st.lists(st.sampled_from([b"a", b"=", b"b=", b"\xff", b"\xc3", b"\xa9", b" ", b"\\"]), max_size=5)
LINES = st.lists(st.tuples(NAMES, VALUES.map(b"".join)), min_size=1, max_size=8)


@given(LINES, st.booleans())
def test_one_by_one_or_all_at_once(lines: list[tuple[bytes, bytes]], whole_first: bool) -> None:
    """Of attributes with the same name the first counts; those that are not there have the default."""
    expected: dict[str, str] = {}
    for name, value in lines:
        expected.setdefault(decode(name), decode(value))
    attributes = AttributeList(b"".join(b"%b=%b\n" % line for line in lines) + b"\n")
    if whole_first:
        assert dict(attributes) == expected
    for asked in (*expected, "c", "a=", "b\n", "", "\udcff"):
        assert attributes.get(asked) == expected.get(asked, "")
        assert attributes.get(asked, "none") == expected.get(asked, "none")
    assert attributes == expected
    assert expected == attributes
    assert (len(attributes), list(attributes)) == (len(expected), list(expected))
    assert [attributes[known] for known in expected] == list(expected.values())
    assert repr(attributes) == repr(expected)
