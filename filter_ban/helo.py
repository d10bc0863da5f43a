# SPDX-License-Identifier: ISC
"""
What a HELO or EHLO name tells about a client.

Only names that are known to be a bot's own count. A name that breaks RFC 5321, 4.1.1.1 does not: mail programs of
people send NetBIOS names, bare words and private addresses all day, and the RFC forbids to refuse mail for that.
"""

from collections.abc import Container


def is_bad(name: str, bad: Container[str]) -> bool:
    """
    Return whether *name* is one of *bad*, letter for letter.

    Names of hosts are equal regardless of case; a program that says ``User`` is told from a computer that is called
    ``user`` by nothing else.
    """
    return name in bad
