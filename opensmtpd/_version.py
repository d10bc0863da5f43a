# SPDX-License-Identifier: ISC
"""Versions of the protocol: every report and filter line carries one, and some fields changed places."""

import functools
import re
from typing import Final

from opensmtpd._errors import RemoteProtocolError

Version = tuple[int, int]

OLDEST: Final[Version] = (0, 5)  # before it, answers began with the token
NEWEST: Final[Version] = (0, 7)
_VERSION: Final = re.compile(r"(0|[1-9][0-9]{0,2})\.(0|[1-9][0-9]{0,2})")


@functools.lru_cache(maxsize=16)
def parse_version(text: str) -> Version:
    """
    Return a version this package can speak; a minor version after 0.7 is read as 0.7 with more fields.

    Raises:
        RemoteProtocolError: *text* is no version, is older than 0.5, or has another major number.

    """
    match = _VERSION.fullmatch(text)
    version = (int(match[1]), int(match[2])) if match else (-1, 0)
    if version < OLDEST or version[0] != OLDEST[0]:
        raise RemoteProtocolError(f"protocol {text[:20]!a}: must be 0.5 or a later 0.x")
    return version
