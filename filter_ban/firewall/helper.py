# SPDX-License-Identifier: ISC
"""
Any program as a packet filter: one with the arguments of blocklistd-helper, or one that reads lines.

Protocol ``blocklistd``, one run for each client and port (the script sees what blocklistd would give it: the kernel
puts the script's own path in the place of argument 0):

=========  =====  ========================  =======  =============  ====  ==
``add``    TABLE  ``tcp``, "" without port  address  prefix length  port  ""
``rem``    TABLE  the same                  address  prefix length  port  id
``flush``  TABLE
=========  =====  ========================  =======  =============  ====  ==

What ``add`` prints first is the entry's id, after an ``OK`` and a space if there are more words; printing nothing is
failure. ``rem`` and ``flush`` may print nothing and leave with any status, as they do over npf and ipfw; so nobody learns
of a release that failed.

Protocol ``lines``, one run for each batch: ``add NETWORK SECONDS``, ``rem NETWORK`` and ``flush`` on standard input,
and on standard output a line ``NETWORK: why`` for each that was refused.

Nothing can be listed, and ids are known to nobody else. So this backend alone holds state: the ids, and whether it
has begun with ``flush``, as ``blocklistd -r`` does.

Source: blocklistd(8), bin/run.c and libexec/blocklistd-helper of NetBSD and FreeBSD.
"""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from typing import Final, NoReturn, TypeAlias

from filter_ban.client import ClientKey, address_text, key_text, prefix_of
from filter_ban.firewall.base import BULK_S, Change, Check, Command, Fault, FirewallError, Net

PROTOCOLS: Final = ("blocklistd", "lines")
MAX_ID_CHARS: Final = 63  # char id[64] in blocklistd's state
MAX_REFUSAL_CHARS: Final = 200
_OK: Final = b"OK "
_ID: Final = re.compile(rb"[ -~]+")
_PROGRAM: Final = re.compile(r"/[!-~][ -~]{0,1000}")
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,30}")

Hold: TypeAlias = tuple[ClientKey, str]  # an entry of a blocklistd-helper: client, and port or ""


class Helper:
    """
    A program that blocks and releases.

    Args:
        program: Absolute path.
        protocol: One of ``PROTOCOLS``.
        ports: TCP ports that are closed to the clients; empty: everything, if the program knows how.
        table: The name of the rule that the program is told.

    Raises:
        ValueError: one of them is impossible.

    """

    name: Final = "helper"
    lists: Final = False
    counts: Final = False

    def __init__(
        self,
        program: str,
        *,
        protocol: str = "blocklistd",
        ports: Sequence[int] = (),
        table: str = "filter-ban",
    ) -> None:
        if not _PROGRAM.fullmatch(program):
            raise ValueError(f"firewall.helper: {program[:100]!r}: must be the absolute path of a program")
        if protocol not in PROTOCOLS:
            raise ValueError(
                f"firewall.helper_protocol: {protocol[:100]!r}: must be one of {', '.join(PROTOCOLS)}"
            )
        if not all(0 < port < 1 << 16 for port in ports):
            raise ValueError(f"firewall.ports: {ports!r}: must be 1 to 65535")
        if not _NAME.fullmatch(table):
            raise ValueError(
                f"firewall.table: {table[:100]!r}: must be letters, digits, - and _, at most 31 characters"
            )
        self._program = program
        self._in_lines = protocol == "lines"
        self._ports = tuple(map(str, sorted(set(ports)))) or ("",)
        self._table = table
        self._emptied = False
        self._ids: dict[Hold, str] = {}

    def setup_commands(self, nets: Collection[Net]) -> Sequence[Command]:  # noqa: ARG002 - it makes no difference between nets
        """Remove, once, what an earlier run has left: its ids are lost."""
        if self._emptied:
            return ()
        if self._in_lines:
            return (Command((self._program,), b"flush\n", BULK_S, self._begin),)
        return (
            Command((self._program, "flush", self._table), timeout_s=BULK_S, heed=self._begin, may_fail=True),
        )

    def _begin(self, output: bytes) -> None:
        if self._in_lines:
            self._heed_refusals(output)
        self._ids.clear()
        self._emptied = True

    def change_commands(self, change: Change) -> Sequence[Command]:
        """Return one command, or one for each client and port that is not as it should be yet."""
        return list(self._batch(change) if self._in_lines else self._calls(change))

    def check_commands(self) -> Sequence[Command]:
        """Ask nothing."""
        return ()

    def parse_check(self, outputs: Sequence[bytes]) -> Check:  # noqa: ARG002 - there are none
        """Return whether the program has begun with nothing."""
        return Check(exists=self._emptied)

    def list_commands(self) -> Sequence[Command]:
        """Ask nothing."""
        return ()

    def parse_list(self, outputs: Sequence[bytes]) -> NoReturn:
        """Raise: there is no listing."""
        raise ValueError(f"{outputs!r:.100}: a helper lists nothing")

    # --- blocklistd-helper's arguments

    def _calls(self, change: Change) -> Iterator[Command]:
        for key in change.removes:
            for port in self._ports:
                if (key, port) in self._ids:
                    entry_id = self._ids[key, port]
                    yield self._call("rem", (key, port), entry_id, self._forget)
        for key in change.clients():
            for port in self._ports:
                if (key, port) not in self._ids:
                    yield self._call("add", (key, port), "", self._take_id)

    def _call(self, verb: str, hold: Hold, entry_id: str, heed: Callable[[Hold, bytes], None]) -> Command:
        key, port = hold
        protocol = "tcp" if port else ""
        entry = (protocol, address_text(key), str(prefix_of(key)), port, entry_id)
        argv = (self._program, verb, self._table, *entry)
        return Command(argv, heed=partial(heed, hold), may_fail=verb == "rem")

    def _take_id(self, hold: Hold, output: bytes) -> None:
        line = output[: len(_OK) + MAX_ID_CHARS].partition(b"\n")[0]
        entry_id = line.removeprefix(_OK)[:MAX_ID_CHARS]
        if not _ID.fullmatch(entry_id):
            said = f"printed {line.decode(errors='backslashreplace')!r}" if line else "printed nothing"
            raise self._failure(f"{said} in answer to add, where an id should be")
        self._ids[hold] = entry_id.decode()

    def _forget(self, hold: Hold, _output: bytes) -> None:
        self._ids.pop(hold, None)

    # --- lines

    def _batch(self, change: Change) -> Iterator[Command]:
        lines = [f"rem {key_text(key)}\n" for key in change.removes]
        for key, seconds in (*change.updates, *change.adds):
            lines.append(f"add {key_text(key)} {'-' if seconds is None else seconds}\n")
        if lines:
            yield Command((self._program,), "".join(lines).encode(), BULK_S, self._heed_refusals)

    def _heed_refusals(self, output: bytes) -> None:
        if output:
            first = output[:MAX_REFUSAL_CHARS].partition(b"\n")[0].decode(errors="backslashreplace")
            others = output.count(b"\n") - 1
            raise self._failure(f"{first} (and {others} more)" if others > 0 else first)

    def _failure(self, why: str) -> FirewallError:
        return FirewallError((self._program,), None, why, Fault.OTHER)
