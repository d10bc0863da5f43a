# SPDX-License-Identifier: ISC
"""What the nodes' shared secret is used for: a key of its own for each purpose."""

from typing import Final

from filter_ban.digest import blake2b

TAG_BYTES: Final = 16
_KEY_BYTES: Final = 32


class ClusterKeys:
    """
    Keys that are derived from the secret that all nodes share.

    ``users`` and ``secrets`` are for tags (see :mod:`filter_ban.tags`).
    """

    def __init__(self, shared: bytes) -> None:
        self._seal = _derive(shared, b"seal")
        self.users = _derive(shared, b"users")
        self.secrets = _derive(shared, b"secrets")

    def seal(self, place: str, message: bytes) -> bytes:
        """Return the tag that proves that a node has put *message* in *place*, the name of a stream or chunk."""
        text = place.encode() + b"\0" + message
        return blake2b(text, digest_size=TAG_BYTES, key=self._seal).digest()


def _derive(shared: bytes, purpose: bytes) -> bytes:
    return blake2b(shared, digest_size=_KEY_BYTES, person=b"fban " + purpose).digest()
