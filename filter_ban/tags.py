# SPDX-License-Identifier: ISC
"""
Tags: keyed hashes that tell whether two texts are equal and nothing else.

User names are tagged with the ledger's key, so that tags mean the same after a restart, or with the cluster's, so that
they mean the same on all its nodes. Secrets are tagged with a random key that lives and dies with this process, but for
a few bits where nodes are to know a secret again that was tried at another; neither a secret nor its tag is ever stored.
"""

import os
from typing import Final

from filter_ban.digest import blake2b

MAX_CACHED: Final = 8192
_OWN_FORM: Final = 0x8000_0000  # a tag that is told to other nodes in part
_HEARD_FORM: Final = 0x4000_0000  # that part, with as much in front
_FIRST: Final = 2  # below are the engine's constants, for a secret that is not visible, or forgotten
_FORMS: Final = _OWN_FORM | _HEARD_FORM


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
    """
    Tags of secrets as they stand on the wire; they are never decoded.

    Args:
        shared_key: That other nodes have too; without it nothing is told.
        bits: So many of a tag are made with it: few enough that a list of passwords does not show which one it was.

    """

    def __init__(self, shared_key: bytes = b"", bits: int = 0) -> None:
        self._key = os.urandom(16).hex()
        self._shared_key = shared_key
        self._shared_bits = (1 << bits) - 1

    def of(self, secret: str) -> int:
        """
        Return the tag of *secret*, a 32-bit number that is none of the engine's constants.

        Python's own hash of a text is SipHash, itself keyed with a random key of the process; ours is put before the
        text so that a fixed PYTHONHASHSEED does no harm.
        """
        tag = hash(self._key + secret)
        if not self._shared_key:
            return tag & 0xFFFF_FFFF | _FIRST
        text = secret.encode("utf-8", "backslashreplace")
        shared = int.from_bytes(blake2b(text, digest_size=4, key=self._shared_key).digest())
        return tag & 0x7FFF_FFFF & ~self._shared_bits | shared & self._shared_bits | _OWN_FORM


def heard_form(tag: int, bits: int) -> int:
    """Return what other nodes are told of the tag of a secret, 0 where that is nothing; of what they are told, the same."""
    if not bits or tag < _FIRST:
        return 0
    return tag if tag & _FORMS == _HEARD_FORM else tag & (1 << bits) - 1 | _HEARD_FORM
