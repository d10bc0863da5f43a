# SPDX-License-Identifier: ISC
"""
Tags: keyed hashes that tell whether two texts are equal and nothing else.

User names are tagged with the ledger's key, so that tags mean the same after a restart. Secrets are tagged with a
random key that lives and dies with this process; neither a secret nor its tag is ever stored.
"""

import os
from typing import Final

from filter_ban.digest import blake2b

MAX_CACHED: Final = 8192


class UserTags:
    """Tags of user names, equal regardless of letter case; 0 is the tag of the empty name."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._known: dict[str, int] = {"": 0}

    def of(self, user: str) -> int:
        """Return the tag of *user*, a 32-bit number."""
        tag = self._known.get(user)
        if tag is None:
            if len(self._known) >= MAX_CACHED:
                self._known = {"": 0}
            name = user.casefold().encode("utf-8", "backslashreplace")
            digest = blake2b(name, digest_size=4, key=self._key).digest()
            tag = self._known[user] = int.from_bytes(digest) or 1
        return tag


class SecretTags:
    """Tags of secrets as they stand on the wire; they are never decoded."""

    def __init__(self) -> None:
        self._key = os.urandom(16).hex()

    def of(self, secret: str) -> int:
        """
        Return the tag of *secret*, a 32-bit number that is none of the engine's constants.

        Python's own hash of a text is SipHash, itself keyed with a random key of the process; ours is put before the
        text so that a fixed PYTHONHASHSEED does no harm.
        """
        return hash(self._key + secret) & 0xFFFF_FFFF | 2
