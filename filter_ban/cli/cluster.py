# SPDX-License-Identifier: ISC
"""What a daemon tells of its cluster, in the document of ``status``: facts, peers, and what is wrong. Pure."""

from collections.abc import Iterator
from typing import Any, Final

from filter_ban.cli import wording
from filter_ban.cli.document import Document, part, parts
from filter_ban.cli.wording import count, is_number, shown, span

ALARM_S: Final = 3600.0  # so long it is told that a message was forged
SILENT_S: Final = 60  # a node tells of itself every few seconds
CLOCK_SHOWN_S: Final = 2.0  # less than that is not made up for either
CLOCK_WRONG_S: Final = 600.0  # more than that is not made up for
_HEAD: Final = ("NODE", "LAST SEEN", "LAG", "BANS", "DROPPED", "CLOCK", "VERSION")
_COUNTED: Final = {  # told where it is not 0
    "buffered": "waiting to be told",
    "dropped": "dropped",
    "refused": "bans not taken over",
    "forged": "forged",
    "replayed": "replayed",
    "malformed": "malformed",
}


def facts(status: Document, now_s: float) -> Iterator[tuple[str, str]]:
    """Yield what this node is in its cluster, and how its stores are; nothing where there is no cluster."""
    cluster = part(status, "cluster")
    if not cluster:
        return
    yield "cluster", _member(cluster)
    yield "notices", _notices(cluster)
    for store in parts(cluster, "stores"):
        yield "store", _store(store, now_s)
    snapshot = cluster.get("snapshot")
    yield "snapshot", "none yet" if snapshot is None else f"written {wording.since(snapshot, now_s)}"


def peer_table(status: Document, now_s: float) -> Iterator[str]:
    """Yield the other nodes as the lines of a table."""
    peers = parts(part(status, "cluster"), "peers")
    if peers:
        yield from wording.columns([_HEAD, *(_peer(peer, now_s) for peer in peers)])


def problems(status: Document) -> Iterator[str]:
    """Yield what is not well."""
    cluster, now_s = part(status, "cluster"), status.get("now")
    stores = parts(cluster, "stores")
    for store in stores:
        if not store.get("ok"):
            yield (
                f"{shown(store.get('url'))}: {shown(store.get('problem') or 'cannot be reached')}{_for(store.get('since'), now_s)}; "
                "this node judges alone, and keeps what it has to tell"
            )
    if lost := cluster.get("dropped"):
        yield f"{count(lost, 'strike')} could not be kept for the store, other nodes will never hear of them"
    forged = cluster.get("forged")
    if forged and _is_recent(cluster.get("last_forged"), now_s):
        yield (
            f"{count(forged, 'message')} refused as forged: somebody else writes into the store, "
            "or a node has another cluster.key_file"
        )
    if cluster.get("same_name") and _is_recent(cluster.get("last_same_name"), now_s):
        yield f"another machine is called {shown(cluster.get('node'))}, too: give each a cluster.node of its own"
    if malformed := cluster.get("malformed"):
        yield f"{count(malformed, 'message')} in the store could not be read: is a node of a later version?"
    if all(store.get("ok") for store in stores):
        for peer in parts(cluster, "peers"):
            yield from _peer_problems(peer, now_s)


def _member(cluster: Document) -> str:
    trust = cluster.get("trust")
    trusted = " and ".join(map(shown, trust)) if isinstance(trust, list | tuple) else shown(trust)
    return f"node {shown(cluster.get('node'))}, {shown(cluster.get('role'))}, believes {trusted}, " + (
        "up to date" if cluster.get("current") else "NOT up to date: not all is read that others have told"
    )


def _notices(cluster: Document) -> str:
    counts = [f"{count(cluster.get('published'))} told", f"{count(cluster.get('folded'))} heard"]
    counts += [f"{count(cluster[key])} {what}" for key, what in _COUNTED.items() if cluster.get(key)]
    return ", ".join(counts)


def _store(store: Document, now_s: float) -> str:
    url, offset_s = shown(store.get("url")), store.get("offset")
    if not store.get("ok"):
        return f"{url}: NOT USABLE{_for(store.get('since'), now_s)}"
    clock = f", its clock is {_ahead(offset_s)}" if _is_off(offset_s) else ""
    return f"{url}: ok{_for(store.get('since'), now_s)}{clock}"


def _peer(peer: Document, now_s: float) -> tuple[str, ...]:
    seen_s: Any = peer.get("seen")
    clock_s = peer.get("clock")
    return (
        shown(peer.get("node")),
        f"{span(max(0.0, now_s - seen_s))} ago" if is_number(seen_s) else shown(seen_s),
        count(peer.get("lag")),
        count(peer.get("bans")),
        count(peer.get("dropped")),
        _ahead(clock_s) if _is_off(clock_s) else "-",
        shown(peer.get("version")),
    )


def _peer_problems(peer: Document, now_s: Any) -> Iterator[str]:
    seen_s: Any = peer.get("seen")
    node, clock_s = shown(peer.get("node")), peer.get("clock")
    if is_number(seen_s) and is_number(now_s) and now_s - seen_s > SILENT_S:
        yield f"{node} has said nothing for {span(now_s - seen_s)}: is it down, or cut off from the store?"
    elif _is_off(clock_s, CLOCK_WRONG_S):
        yield f"the clock of {node} is {_ahead(clock_s)}, too far to be made up for: its bans begin and end at wrong times"


def _is_recent(time_s: Any, now_s: Any) -> bool:
    return not (is_number(time_s) and is_number(now_s)) or now_s - time_s < ALARM_S


def _for(since_s: Any, now_s: Any) -> str:
    is_told = is_number(since_s) and is_number(now_s)
    return f" for {span(max(0.0, now_s - since_s))}" if is_told else ""


def _is_off(clock_s: object, least_s: float = CLOCK_SHOWN_S) -> bool:
    return isinstance(clock_s, int | float) and is_number(abs(clock_s)) and abs(clock_s) >= least_s


def _ahead(clock_s: Any) -> str:
    return f"{span(abs(clock_s))} {'ahead' if clock_s > 0 else 'behind'}"
