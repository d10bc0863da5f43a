# SPDX-License-Identifier: ISC
"""A list of attributes as it stands on the wire, of which only what is asked for is read."""

import functools
from collections.abc import Iterator, Mapping


class AttributeList(Mapping[str, str]):
    """
    The attributes of one sound list, read-only; of those with the same name the first counts.

    A server looks at three of some thirty: to find these in the bytes takes half as long as to make a dictionary of all.

    Args:
        data: Lines ``name=value`` with a name, each ended by LF, and an empty line.

    """

    __slots__ = ("_data", "_parsed")

    def __init__(self, data: bytes) -> None:
        self._data = b"\n" + data
        self._parsed: dict[str, str] | None = None

    def get(self, name: str, default: str = "") -> str:  # type: ignore[override]  # a default is a text
        """Return the value of *name*, *default* where there is none."""
        mark = _mark(name)
        if mark is None or self._parsed is not None:
            return self._all().get(name, default)
        at = self._data.find(mark)
        if at < 0:
            return default
        at += len(mark)
        return self._data[at : self._data.find(b"\n", at)].decode("utf-8", "backslashreplace")

    def __getitem__(self, name: str) -> str:
        return self._all()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def __repr__(self) -> str:
        return repr(self._all())

    def _all(self) -> dict[str, str]:
        if self._parsed is None:
            self._parsed = {}
            for line in decode(self._data[1:-2]).split("\n"):
                name, _, value = line.partition("=")
                self._parsed.setdefault(name, value)
        return self._parsed


@functools.lru_cache(maxsize=256)
def _mark(name: str) -> bytes | None:
    """Return what stands before the value of a plain name; None where only the decoded list can tell."""
    plain = name.isascii() and name.replace("_", "").isalnum()
    return f"\n{name}=".encode() if plain else None


def decode(data: bytes) -> str:
    r"""Return text; bytes that are not UTF-8 show as ``\xff``."""
    return data.decode("utf-8", "backslashreplace")
