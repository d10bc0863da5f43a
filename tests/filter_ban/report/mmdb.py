# SPDX-License-Identifier: ISC
"""
Writes tiny databases in the format of MaxMind.

Source: MaxMind DB File Format Specification, version 2.0.
"""

from collections.abc import Mapping
from ipaddress import IPv4Network, ip_network
from pathlib import Path
from typing import Final

_MARKER: Final = b"\xab\xcd\xefMaxMind.com"
_GAP: Final = bytes(16)  # between tree and data
_TEXT, _SHORT, _NUMBER, _MAP = 2, 5, 6, 7

Value = str | int | Mapping[str, "Value"]


def write(path: Path, records: Mapping[str, Value]) -> None:
    """Write a database that has a record for each network."""
    nodes: list[list[int | None]] = [[None, None]]
    data = b""
    leaves: list[tuple[int, int, int]] = []  # node, bit, place in the data
    for text, record in records.items():
        leaves.append((*_leaf(nodes, text), len(data)))
        data += _encode(record)
    count = len(nodes)
    for node, bit, place in leaves:
        nodes[node][bit] = count + len(_GAP) + place
    tree = b"".join((count if side is None else side).to_bytes(3) for node in nodes for side in node)
    metadata = {
        "node_count": _head(_NUMBER, 4) + count.to_bytes(4),
        "record_size": _short(24),
        "ip_version": _short(6),
        "binary_format_major_version": _short(2),
        "binary_format_minor_version": _short(0),
        "build_epoch": bytes([8, 2]) + (1_800_000_000).to_bytes(8),  # of an extended type, 9
        "database_type": _encode("Test"),
        "languages": bytes([0, 4]),  # empty, of an extended type, 11
        "description": _head(_MAP, 0),
    }
    pairs = b"".join(_encode(key) + encoded for key, encoded in metadata.items())
    path.write_bytes(tree + _GAP + data + _MARKER + _head(_MAP, len(metadata)) + pairs)


def _short(number: int) -> bytes:
    return _head(_SHORT, 2) + number.to_bytes(2)


def _leaf(nodes: list[list[int | None]], text: str) -> tuple[int, int]:
    """Return the node and the side of it where the record of a network hangs; make the nodes on the way."""
    network = ip_network(text)
    skipped = 96 if isinstance(network, IPv4Network) else 0  # IPv4 is ::/96
    bits = f"{int(network.network_address):0128b}"[: skipped + network.prefixlen]
    node = 0
    for bit in map(int, bits[:-1]):
        child = nodes[node][bit]
        if child is None:
            nodes.append([None, None])
            child = nodes[node][bit] = len(nodes) - 1
        node = child
    return node, int(bits[-1])


def _encode(value: Value) -> bytes:
    if isinstance(value, str):
        raw = value.encode()
        return _head(_TEXT, len(raw)) + raw
    if isinstance(value, int):
        raw = value.to_bytes(4)
        return _head(_NUMBER, len(raw)) + raw
    return _head(_MAP, len(value)) + b"".join(_encode(key) + _encode(one) for key, one in value.items())


def _head(kind: int, size: int) -> bytes:
    """Return the control bytes; sizes of 29 and more take a byte more."""
    return bytes([kind << 5 | size]) if size < 29 else bytes([kind << 5 | 29, size - 29])
