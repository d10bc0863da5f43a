# SPDX-License-Identifier: ISC
"""
Statements made of our own constants, and the groups of rows that one statement writes.

Between two steps of SQLite the interpreter's lock must be won back, which beside a busy thread takes 5 ms each time
(``sys.getswitchinterval``): a statement for a row would write 200 rows a second. Groups have few sizes, because SQLite
compiles a statement for each.
"""

from collections.abc import Iterator, Sequence
from typing import Final, TypeVar

T = TypeVar("T")

GROUP_SIZES: Final = (
    256,
    16,
    1,
)  # the largest makes 3,072 values; SQLite allows 32,766 (SQLITE_MAX_VARIABLE_NUMBER)


def groups(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Yield *items* in order, in groups of GROUP_SIZES, the largest first."""
    at = 0
    for size in GROUP_SIZES:
        while len(items) - at >= size:
            yield items[at : at + size]
            at += size


def marks(count: int) -> str:
    """Return placeholders for *count* values, in parentheses."""
    return f"({', '.join('?' * count)})"


def insert(table: str, columns: str, rest: str = "") -> dict[int, str]:
    """Return, by size of the group, the statement that inserts values of *columns*; *rest* is what follows them."""
    row = marks(columns.count(",") + 1)
    head = f"INSERT INTO {table} ({columns}) VALUES"
    return {size: f"{head} {', '.join([row] * size)} {rest}" for size in GROUP_SIZES}


def select(columns: str, table: str, rest: str) -> str:
    """Return the statement that reads *columns*; *rest* is what follows the table."""
    return f"SELECT {columns} FROM {table} {rest}"  # noqa: S608 - made of our constants only
