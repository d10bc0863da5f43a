# SPDX-License-Identifier: ISC
"""The datagram of libblocklist: any bytes are a report or malformed, on every system."""

import socket
import struct
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_ban.sensors.blocklist_datagram import (
    MAX_DATAGRAM,
    MAX_TEXT,
    Datagram,
    Event,
    MalformedDatagram,
    decode,
)

SYSTEMS = ("linux", "freebsd14", "netbsd10", "openbsd7", "sunos5")
V4, V6 = "192.0.2.7", "2001:db8::7"
PACKED_V4 = socket.inet_aton(V4)
PACKED_V6 = socket.inet_pton(socket.AF_INET6, V6)
PORT = struct.pack("!H", 40000)

# what a little-endian Linux sends: a failure of 192.0.2.7, port 40000, text "smtpd"
CHECK = bytes.fromhex("95000000 01000000 01000000 10000000 0200 9c40 c0000207") + bytes(120) + b"smtpd"


def linux(family: int, rest: bytes) -> bytes:
    """Return a socket address of Linux."""
    return struct.pack("=H", family) + PORT + rest


def bsd(length: int, family: int, rest: bytes) -> bytes:
    """Return a socket address of a BSD."""
    return bytes((length, family)) + PORT + rest


def datagram(address: bytes, length: int | None = None, *, event: int = 1, text: bytes = b"") -> bytes:
    """Return a datagram; *length* is what it says of the address."""
    said = len(address) if length is None else length
    return struct.pack("=IIII", 144 + len(text), 1, event, said) + address.ljust(128, b"\0") + text


IPV4 = PACKED_V4 + bytes(8)
IPV6 = bytes(4) + PACKED_V6 + bytes(4)


@pytest.mark.skipif(sys.byteorder == "big", reason="the bytes are those of a little-endian machine")
def test_check_value() -> None:
    """The bytes that a little-endian Linux sends, one by one, are understood."""
    assert len(CHECK) == 149
    assert decode(CHECK, "linux") == Datagram(Event.FAILURE, V4, "smtpd")


@pytest.mark.parametrize(
    ("system", "content", "address"),
    [
        ("linux", datagram(b""), ""),
        ("linux", datagram(linux(2, IPV4)), V4),
        ("linux", datagram(linux(10, IPV6)), V6),
        ("linux", datagram(linux(10, IPV4)), ""),
        ("linux", datagram(linux(2, IPV6)), ""),
        ("linux", datagram(linux(2, IPV4), 28), ""),
        ("linux", datagram(linux(2, IPV4), 0), ""),
        ("linux", datagram(linux(2, IPV4), 0xFFFF_FFFF), ""),
        ("linux", datagram(linux(1, IPV4)), ""),
        ("linux", datagram(bsd(16, 2, IPV4)), ""),
        ("freebsd14", datagram(bsd(16, 2, IPV4)), V4),
        ("freebsd14", datagram(bsd(28, 28, IPV6)), V6),
        ("freebsd14", datagram(bsd(28, 24, IPV6)), ""),
        ("freebsd14", datagram(bsd(16, 28, IPV6)), ""),
        ("freebsd14", datagram(linux(2, IPV4)), ""),
        ("netbsd10", datagram(bsd(16, 2, IPV4)), V4),
        ("netbsd10", datagram(bsd(28, 24, IPV6)), V6),
        ("netbsd10", datagram(bsd(28, 28, IPV6)), ""),
        ("netbsd10", datagram(bsd(0, 2, IPV4)), ""),
        ("openbsd7", datagram(bsd(28, 24, IPV6)), V6),
        ("sunos5", datagram(linux(2, IPV4)), ""),
    ],
)
def test_addresses(system: str, content: bytes, address: str) -> None:
    """Family and both lengths must agree, as each system writes them; else there is no address."""
    assert decode(content, system).address == address


@pytest.mark.parametrize(("number", "event"), [(event.value, event) for event in Event])
def test_events(number: int, event: Event) -> None:
    """The four numbers on the wire have their names."""
    assert decode(datagram(b"", event=number), "linux").event is event


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        (b"", ""),
        (b"ssh", "ssh"),
        ("gr\u00fcn".encode(), "gr\u00fcn"),
        (b"a\n\x1b[2J\0", "a\\n\\x1b[2J\\x00"),
        (b"\xff\xfe", "\\\\xff\\\\xfe"),
        (b"x" * 500, "x" * MAX_TEXT),
        (b"\n" * 500, "\\n" * 63 + "\\\u2026"),
    ],
)
def test_text(sent: bytes, text: str) -> None:
    """It is escaped and bounded, whatever it was."""
    assert decode(datagram(b"", text=sent), "linux").text == text


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "0 bytes are too few"),
        (CHECK[:143], "143 bytes are too few"),
        (CHECK.replace(b"\x01", b"\x02", 1), "version 2 is unknown"),
        (datagram(b"", event=0), "event 0 is unknown"),
        (datagram(b"", event=5), "event 5 is unknown"),
        (datagram(b"", event=0xFFFF_FFFF), "event 4294967295 is unknown"),
    ],
)
def test_malformed(content: bytes, why: str) -> None:
    """What is no datagram of version 1 is said to be none, and why."""
    with pytest.raises(MalformedDatagram) as raised:
        decode(content, "linux")
    assert str(raised.value) == why


@given(st.binary(max_size=MAX_DATAGRAM), st.sampled_from(SYSTEMS), st.sampled_from([b"", CHECK[:8]]))
def test_any_bytes(content: bytes, system: str, head: bytes) -> None:
    """Any bytes are a datagram or malformed; what is to be shown is printable and bounded."""
    try:
        found = decode((head + content)[:MAX_DATAGRAM], system)
    except MalformedDatagram:
        return
    assert len(found.text) <= MAX_TEXT
    assert found.text.isprintable()


@given(st.sampled_from(SYSTEMS[:4]), st.ip_addresses(), st.binary(max_size=MAX_TEXT))
def test_every_address_is_read(system: str, address: st.SearchStrategy[str], text: bytes) -> None:
    """What a system writes is what is read."""
    packed = socket.inet_pton(socket.AF_INET6 if ":" in str(address) else socket.AF_INET, str(address))
    family = {"l": 10, "f": 28}.get(system[0], 24) if len(packed) == 16 else 2
    rest = packed + bytes(8) if len(packed) == 4 else bytes(4) + packed + bytes(4)
    written = linux(family, rest) if system == "linux" else bsd(len(rest) + 4, family, rest)

    found = decode(datagram(written, text=text), system).address

    assert socket.inet_pton(socket.AF_INET6 if ":" in found else socket.AF_INET, found) == packed
