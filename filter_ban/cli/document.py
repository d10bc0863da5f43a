# SPDX-License-Identifier: ISC
"""JSON documents of a daemon that may be of another version: what is not of the expected form counts as absent."""

from typing import Any

Document = dict[str, Any]


def part(document: Document, key: str) -> Document:
    """Return the document under *key*, empty where there is none."""
    value = document.get(key)
    return value if isinstance(value, dict) else {}


def parts(document: Document, key: str) -> list[Document]:
    """Return the documents under *key*."""
    value = document.get(key)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
