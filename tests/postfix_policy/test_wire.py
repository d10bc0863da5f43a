# SPDX-License-Identifier: ISC
"""Lists of attributes: any bytes give lists or RemoteProtocolError, however they are cut."""

import random
from collections.abc import Callable, Iterator, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postfix_policy import Limits, LocalProtocolError, PolicyRequest, RemoteProtocolError
from postfix_policy._wire import AttributeParser, encode_attributes

Feeder = Callable[..., Iterator[tuple[str, tuple[list[PolicyRequest], str]]]]

KIND = b"request=smtpd_access_policy\n"
GOOD = KIND + b"protocol_state=CONNECT\nclient_address=192.0.2.7\n\n"
SMALL = Limits(line_bytes=40, attributes=4, list_bytes=100)

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0\n"))
NAME = st.text(st.characters(codec="utf-8", exclude_characters="\0\n="), min_size=1)

SOUND = {
    "plain": (GOOD, {"protocol_state": "CONNECT", "client_address": "192.0.2.7"}),
    "any order": (b"b=2\n" + KIND + b"a=1\n\n", {"b": "2", "a": "1"}),
    "nothing but the kind": (KIND + b"\n", {}),
    "equals sign in the value": (KIND + b"sasl_username=a=b=c\n\n", {"sasl_username": "a=b=c"}),
    "blanks": (KIND + b"sender= a b \n\n", {"sender": " a b "}),
    "the first of duplicates counts": (KIND + b"sender=one\nsender=two\n\n", {"sender": "one"}),
    "UTF-8": (KIND + "sender=ü@example.org\n\n".encode(), {"sender": "ü@example.org"}),
    "no UTF-8": (KIND + b"sender=\xff\xfea\n\n", {"sender": "\\xff\\xfea"}),
    "half a character": (KIND + b"sender=\xc3\nsize=1\n\n", {"sender": "\\xc3", "size": "1"}),
    "CR in a value": (KIND + b"helo_name=a\r\n\n", {"helo_name": "a\r"}),
    "backslash and TAB": (KIND + b"helo_name=\\n\t\n\n", {"helo_name": "\\n\t"}),
}
FAULTS = {
    "empty list": (b"\n", "empty line: must come after attributes"),
    "empty lines": (b"\n\n", "empty line: must come after attributes"),
    "list that begins with an empty line": (b"\n" + GOOD, "empty line: must come after attributes"),
    "no equals sign": (KIND + b"sender\n\n", "sender: must be name=value without NUL"),
    "no name": (KIND + b"=x\n\n", "=x: must be name=value without NUL"),
    "NUL in the value": (KIND + b"sender=a\0b\n\n", r"sender=a\x00b: must be name=value without NUL"),
    "NUL in the name": (KIND + b"sen\0der=a\n\n", r"sen\x00der=a: must be name=value without NUL"),
    "CR LF": (b"request=smtpd_access_policy\r\n\r\n", r"\r: must be name=value without NUL"),
    "SMTP": (b"EHLO client.example.net\n", "EHLO client.example.net: must be name=value without NUL"),
    "no kind": (b"protocol_state=CONNECT\n\n", "request: '': must be smtpd_access_policy"),
    "another kind": (b"request=junk\n\n", "request: 'junk': must be smtpd_access_policy"),
}
LIMITS = {
    "line": (KIND + b"a=" + b"x" * 39 + b"\n\n", "line longer than 40 bytes"),
    "attributes": (KIND + b"a=1\nb=1\nc=1\nd=1\n\n", "more than 4 attributes"),
    "duplicates": (KIND + b"a=1\na=1\na=1\na=1\n\n", "more than 4 attributes"),
    "list": (
        KIND + b"a=" + b"x" * 36 + b"\nb=" + b"x" * 36 + b"\n\n",
        "list longer than 100 bytes",
    ),
}


@pytest.mark.parametrize(("wire", "more"), SOUND.values(), ids=SOUND)
def test_sound_list(every_cut: Feeder, wire: bytes, more: dict[str, str]) -> None:
    """A sound list gives one request with all its attributes, and leaves nothing behind for the next one."""
    kind = {"request": "smtpd_access_policy"}
    for cut, (requests, fault) in every_cut(wire + GOOD):
        assert fault == "", cut
        assert [request.attributes for request in requests] == [
            {**kind, **more},
            {**kind, "protocol_state": "CONNECT", "client_address": "192.0.2.7"},
        ], cut


@pytest.mark.parametrize(("wire", "problem"), FAULTS.values(), ids=FAULTS)
def test_fault(every_cut: Feeder, wire: bytes, problem: str) -> None:
    """What is no list ends the stream with its reason; the requests before it count, those after it do not."""
    for cut, (requests, fault) in every_cut(GOOD + wire + GOOD):
        assert (len(requests), fault) == (1, problem), cut


@pytest.mark.parametrize(("wire", "problem"), LIMITS.values(), ids=LIMITS)
def test_limits(every_cut: Feeder, wire: bytes, problem: str) -> None:
    """What is longer than a limit ends the stream; what is as long does not."""
    fitting = KIND + b"a=" + b"x" * 38 + b"\nb=" + b"y" * 25 + b"\nc=\n\n"
    for cut, (requests, fault) in every_cut(fitting + wire, SMALL):
        assert (len(requests), fault) == (1, problem), cut


@pytest.mark.parametrize("byte", [b"x", b"=", b"\xff", b"\\"])
def test_endless_line_does_not_fill_memory(byte: bytes) -> None:
    """A line of a megabyte is cut off at its limit, whether it comes at once or in pieces."""
    for piece in (1 << 20, 1000):
        parser = AttributeParser(Limits())
        for _ in range(8192 // piece):
            assert not list(parser.receive_data(byte * piece))
        with pytest.raises(RemoteProtocolError, match=r"^line longer than 8192 bytes$"):
            list(parser.receive_data(byte * piece))


def test_endless_list_does_not_fill_memory() -> None:
    """Attributes without an end are cut off at the limit of their number."""
    parser = AttributeParser(Limits())
    for _ in range(128):
        assert not list(parser.receive_data(b"a=1\n"))
    with pytest.raises(RemoteProtocolError, match=r"^more than 128 attributes$"):
        list(parser.receive_data(b"a=1\n"))


def test_fault_stays() -> None:
    """After a fault nothing more is read, however sound it is."""
    parser = AttributeParser(Limits())
    for data in (b"\n", GOOD, b""):
        with pytest.raises(RemoteProtocolError, match="empty line"):
            list(parser.receive_data(data))
    parser.receive_eof()


@pytest.mark.parametrize("wire", [GOOD[:5], GOOD[:-1]])
def test_end_inside_a_list(wire: bytes) -> None:
    """A stream that ends inside a list is told from one that ends after it."""
    parser = AttributeParser(Limits())
    assert not parser.incomplete
    assert not list(parser.receive_data(wire))
    assert parser.incomplete
    with pytest.raises(RemoteProtocolError, match="end of input inside a list"):
        parser.receive_eof()


@pytest.mark.parametrize("name", ["line_bytes", "attributes", "list_bytes", "pending"])
def test_limit_is_at_least_one(name: str) -> None:
    """A limit of nothing is refused."""
    with pytest.raises(ValueError, match=name):
        Limits(**{name: 0})


@pytest.mark.parametrize(
    "attributes",
    [{}, {"": "x"}, {"a=b": "x"}, {"a\n": "x"}, {"a": "x\n"}, {"a": "\0"}, {"a\0": ""}, {"a": "\ud800"}],
    ids=repr,
)
def test_what_cannot_be_sent(attributes: dict[str, str]) -> None:
    """Attributes that would be read as others are not encoded."""
    with pytest.raises(LocalProtocolError, match="must"):
        encode_attributes(attributes)


@settings(deadline=None)
@given(st.dictionaries(NAME, TEXT, min_size=1, max_size=20), st.integers(0, 2**32))
def test_attributes_survive_the_wire(attributes: dict[str, str], seed: int) -> None:
    """What is encoded is what is parsed, in order, cut anywhere."""
    wire = encode_attributes(attributes)
    cut = random.Random(seed).randrange(len(wire))
    parser = AttributeParser(Limits())
    parsed = [*parser.receive_data(wire[:cut]), *parser.receive_data(wire[cut:])]
    assert parsed == [attributes]
    assert list(parsed[0]) == list(attributes)
    assert not parser.incomplete


@settings(deadline=None)
@given(st.lists(st.sampled_from([b"a=1", b"b" * 19, b"=", b"\n", b"\n", b"\n\n", b"\0", b"\xff="])))
def test_any_bytes_give_lists_or_a_fault(pieces: list[bytes]) -> None:
    """Whatever comes, whole or byte by byte, gives the same lists and the same fault, and nothing else."""
    wire = b"".join(pieces)

    def read(cuts: list[bytes]) -> tuple[list[Mapping[str, str]], str]:
        parser = AttributeParser(SMALL)
        lists = []
        try:
            for piece in cuts:
                for attributes in parser.receive_data(piece):
                    lists.append(attributes)  # noqa: PERF402 - kept when a fault follows
        except RemoteProtocolError as error:
            return lists, str(error)
        return lists, ""

    assert read([wire]) == read([wire[at : at + 1] for at in range(len(wire))])
