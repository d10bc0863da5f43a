# SPDX-License-Identifier: ISC
"""What a set-up is to do: found out by asking the server's programs and reading its files, with nothing written."""

from collections.abc import Callable, Sequence
from pathlib import Path

import attrs

from filter_ban.setup.files import Change

Ask = Callable[[Sequence[str]], str]  # runs a program: filter_ban.setup.programs.output, or a test's own


@attrs.frozen
class Place:
    """
    Where the set-up of a server is written.

    ``paths`` have no symbolic links; ``accept`` raises ProgramError or SetupError if the server does not take what
    stands there; ``next_step`` is the command that puts it into effect.
    """

    paths: tuple[Path, ...]
    accept: Callable[[], None]
    next_step: str


@attrs.frozen
class Plan:
    """
    Changes to the files of one place, and notes for the operator.

    ``accept`` is that of the place, and also makes sure that the server sees our settings.
    """

    place: Place
    changes: tuple[Change, ...]
    notes: tuple[str, ...]
    accept: Callable[[], None]
