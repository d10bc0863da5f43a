# SPDX-License-Identifier: ISC
"""Text of others for messages and logs: bounded and printable."""

from typing import Final

EXCERPT_LENGTH: Final = 100


def excerpt(text: str) -> str:
    """Return the beginning of *text* in printable ASCII, at most 100 characters long."""
    head = text[: EXCERPT_LENGTH + 1].encode("unicode_escape").decode("ascii")
    return head if len(head) <= EXCERPT_LENGTH else head[: EXCERPT_LENGTH - 3] + "..."


def excerpt_of_line(line: bytes) -> str:
    """Return the beginning of a line of the wire, as `excerpt` does."""
    return excerpt(line[: 4 * EXCERPT_LENGTH].decode("utf-8", "backslashreplace"))
