# SPDX-License-Identifier: ISC
"""BLAKE2b from where hashlib takes it: hashlib itself loads OpenSSL as well, 4 MB in each process for nothing."""

from _blake2 import blake2b

__all__ = ["blake2b"]
