# SPDX-License-Identifier: ISC
"""A packet filter in a JSON file, and the fake tools that work on it: programs that the real Runner starts."""

import json
import stat
import sys
from pathlib import Path
from typing import Any, Final

from hypothesis import strategies as st

from filter_ban.client import ClientKey, make_key
from filter_ban.firewall import Runner

networks: Final[st.SearchStrategy[set[ClientKey]]] = st.sets(
    st.one_of(
        st.builds(make_key, st.binary(min_size=4, max_size=4), st.integers(1, 32)),
        st.builds(
            make_key, st.binary(min_size=15, max_size=15).map(lambda tail: b" " + tail), st.integers(8, 128)
        ),
    ),
    max_size=40,
)
"""Clients of all prefix lengths; those of IPv6 begin with 20, so that none is an IPv4 address in disguise."""


class FakeFilter:
    """
    The packet filter behind fake tools.

    Args:
        folder: Where the tools and the state are put.
        script: Beside this file; started with the path of the state, the tool's name and its arguments.
        tools: Names that it plays.
        state: What the script keeps; ``log``, the arguments of each run, is added.

    """

    def __init__(self, folder: Path, script: str, tools: tuple[str, ...], **state: object) -> None:
        self._state = folder / "state.json"
        self.set(**state, log=[])
        path = Path(__file__).with_name(script)
        for name in tools:
            tool = folder / name
            tool.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "{path}" "{self._state}" {name} "$@"\n')
            tool.chmod(stat.S_IRWXU)
        self.run = Runner(search_path=(str(folder),))

    def set(self, **changes: object) -> None:
        """Change the filter behind everybody's back."""
        before = json.loads(self._state.read_text()) if self._state.exists() else {}
        self._state.write_text(json.dumps(before | changes))

    def __getitem__(self, name: str) -> Any:
        return json.loads(self._state.read_text())[name]
