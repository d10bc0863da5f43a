# SPDX-License-Identifier: ISC
"""
Tables of clients, many small ones: a table copies itself when it grows, which for a million takes half a second.

Which table a client belongs to is said by its CRC-32, the same on any machine.
"""

from collections import OrderedDict
from typing import Final

from filter_ban.client import ClientKey

TABLE_CLIENTS: Final = 8192  # copied in less than a millisecond
Table = OrderedDict[ClientKey, bytes]  # the history of each client, the least recently seen first


def make_tables(max_clients: int) -> tuple[Table, ...]:
    """Return as many empty tables as *max_clients* need."""
    return tuple(OrderedDict() for _ in range(max(1, max_clients // TABLE_CLIENTS)))
