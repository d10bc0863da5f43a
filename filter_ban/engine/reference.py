# SPDX-License-Identifier: ISC
"""The reference of a ban: short enough to be read out over a telephone."""

from typing import Final

from filter_ban.client import ClientKey
from filter_ban.digest import blake2b

_LETTERS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: none is mistaken for another
_LENGTH: Final = 8


def make_reference(client: ClientKey, start_s: int) -> str:
    """Return the reference that a human can quote for the ban of *client* that began at *start_s*."""
    digest = int.from_bytes(blake2b(client + start_s.to_bytes(8), digest_size=5).digest())
    return "".join(_LETTERS[digest >> shift & 31] for shift in range(0, 5 * _LENGTH, 5))
