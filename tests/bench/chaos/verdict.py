# SPDX-License-Identifier: ISC
"""What must be so after all is well again, and what is not."""

import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from ipaddress import ip_network
from itertools import pairwise
from pathlib import Path
from typing import Final

from filter_ban.cli.health import problems
from tests.bench.chaos.acts import ALLOW, BAN, DISALLOW, FAILURES, GUESS, LIFT, LOGIN, RECENT_S, Act, Acts
from tests.bench.chaos.memory import Memory
from tests.real.farm import Node

PATIENCE_S: Final = 25.0
_PAUSE_S: Final = 0.3
_SHOWN: Final = 1500  # characters of a log
_IN_LOG: Final = re.compile(r"Traceback|CRITICAL|critical|a fault in|never retrieved|was never awaited")
_EXPECTED: Final = ("was heard", "has said nothing")  # of somebody who was banned meanwhile, or away
_NEVER: Final = ("forged", "malformed", "same_name", "dropped")


def settled(find: Callable[[], Iterator[str]]) -> list[str]:
    """Return what *find* finds wrong even after a while."""
    end_s = time.monotonic() + PATIENCE_S
    while (wrong := list(find())) and time.monotonic() < end_s:
        time.sleep(_PAUSE_S)
    return wrong


# --- what comes to be so after a while


def differences(pairs: Iterable[tuple[Memory, Memory]], acts: Acts) -> Iterator[str]:
    """Yield wherein two memories differ that must not."""
    for one, other in pairs:
        for client, how in one.differences(other, acts.common()):
            yield f"{client} at {one.whose}, {other.whose} {how}; {acts.about(client)}"


def agreement(nodes: Sequence[Node], acts: Acts) -> Iterator[str]:
    """Yield wherein nodes differ."""
    return differences(pairwise(Memory.of(node, acts.counted()) for node in nodes), acts)


def persistence(nodes: Sequence[Node], before: Sequence[Memory], acts: Acts) -> Iterator[str]:
    """Yield wherein nodes differ from what they were *before* a restart."""
    now = (Memory.of(node, acts.counted()) for node in nodes)
    for what in differences(zip(before, now, strict=True), acts):
        yield f"before and after a restart, {what}"


def kernels(nodes: Sequence[Node]) -> Iterator[str]:
    """Yield whom kernels drop and should not, or the other way round."""
    for node in nodes:
        wanted = {client.partition("/")[0] for client, ban in node.bans().items() if ban["firewall"]}
        found = node.kernel()
        if wanted != found:
            yield f"the kernel of {node.name} lacks {sorted(wanted - found)}, has too many {sorted(found - wanted)}"


def health(nodes: Sequence[Node]) -> Iterator[str]:
    """Yield what nodes say is wrong with them."""
    for node in nodes:
        status = node.status()
        for problem in problems(status):
            if not any(words in problem for words in _EXPECTED):
                yield f"status of {node.name}: {problem}"
        cluster = status["cluster"]
        told = {name: cluster[name] for name in _NEVER if cluster[name]}
        told |= {f"lag of {peer['node']}": peer["lag"] for peer in cluster["peers"] if peer["lag"]}
        if told or not node.is_current():
            yield f"{node.name} is current: {node.is_current()}, {told}"


# --- what is so or not


def justice(node: Node, acts: Acts) -> Iterator[str]:
    """Yield what is not as it was said last, where it is clear what that was; and who is banned for nothing."""
    memory = Memory.of(node)
    for client in memory.bans.keys() - acts.done.keys():
        yield f"{client} is banned at {node.name} for nothing"
    allowed = list(map(ip_network, memory.allowed))
    for client in memory.bans:
        if any(ip_network(client).subnet_of(network) for network in allowed):  # type: ignore[arg-type]  # one family
            yield f"{client} is banned at {node.name} and allowed; {acts.about(client)}"
    for client in acts.common():
        done = acts.done[client]
        if (is_allowed := _allowed_at_last(done)) not in (None, client in memory.allowed):
            yield f"{client} must be allowed at {node.name}: {is_allowed}; {acts.about(client)}"
        is_loose = client in acts.uncounted
        if (is_banned := _banned_at_last(done, is_loose=is_loose)) not in (None, client in memory.bans):
            yield f"{client} must be banned at {node.name}: {is_banned}; {acts.about(client)}"


def _last(done: Sequence[Act], decisive: set[str]) -> Act | None:
    """Return the last that decides, if it was not too near to the one before it."""
    before, last = ([None, None] + [act for act in done if act.what in decisive])[-2:]
    return None if before and last and last.time_s - before.time_s < RECENT_S else last


def _allowed_at_last(done: Sequence[Act]) -> bool | None:
    last = _last(done, {ALLOW, DISALLOW})
    return last.what == ALLOW if last else None


def _banned_at_last(done: Sequence[Act], *, is_loose: bool) -> bool | None:
    last = _last(done, {BAN, LIFT, ALLOW, DISALLOW, GUESS})
    everything = {act.what for act in done}
    if last is None:
        return None
    if last.what in {LIFT, ALLOW}:
        failures = (act for act in done if act.what in {*FAILURES, LOGIN})
        return None if any(act.time_s > last.time_s - RECENT_S for act in failures) else False
    if last.what == BAN and ALLOW not in everything:
        return True
    if last.what == GUESS and everything <= {*FAILURES, BAN} and not is_loose:
        return True
    return None


def logs(nodes: Sequence[Node]) -> Iterator[str]:
    """Yield what no log may say."""
    for node in nodes:
        text = node.log.read_text(errors="replace")
        if found := _IN_LOG.search(text):
            yield f"log of {node.name}: {text[max(0, found.start() - _SHOWN) :][: 2 * _SHOWN]}"


def leftovers(folder: Path) -> Iterator[str]:
    """Yield processes that still have *folder* among their arguments."""
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            arguments = process.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it has left
            continue
        if str(folder) in arguments:
            yield f"still there: {process.parent.name} {arguments}"
