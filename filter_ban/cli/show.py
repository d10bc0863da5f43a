# SPDX-License-Identifier: ISC
"""``filter-ban show``: why is a client blocked."""

import shlex
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from filter_ban.cli import wording
from filter_ban.cli.document import Document, part, parts
from filter_ban.cli.failures import Exit
from filter_ban.cli.options import BannedClient, Command, config_option, json_option
from filter_ban.cli.reading import ask_or_read, load, print_json, warn
from filter_ban.cli.wording import shown

EVENTS_SHOWN = 10
PAST_BANS_SHOWN = 5
KINDS: Final = {
    "auth-fail": "failed login",
    "unknown-user": "unknown user",
    "auth-abort": "login broken off",
    "no-tls": "no TLS handshake",
    "no-auth": "left without login",
    "relay-attempt": "relay attempt",
    "bad-helo": "HELO name of a bot",
    "foreign-domain": "login for a foreign domain",
    "trap-user": "login for a trap",
    "decoy": "login at the decoy",
    "reported": "reported",
}


@click.command("show", cls=Command, example="filter-ban show 192.0.2.7")
@click.argument("client", metavar="CLIENT|REFERENCE", type=BannedClient())
@json_option
@config_option
@click.pass_context
def command(ctx: click.Context, *, client: str, as_json: bool) -> None:
    """
    Say why a client is blocked, and how to let it in.

    CLIENT is an address or a prefix; REFERENCE is what the client was told. Exit status 1: nothing is known of it.
    """
    config, _ = load(ctx.obj)

    def read(path: Path) -> Document:
        from filter_ban.cli.offline import show_document  # noqa: PLC0415 - SQLite is needed without a daemon only

        return show_document(config, path, client, time.time())

    document, unavailable = ask_or_read(config, lambda daemon: daemon.ask_one("show", client=client), read)
    if as_json:
        print_json({"source": "ledger" if unavailable else "daemon", **document})
    else:
        warn(unavailable)
        lift = (
            "filter-ban lift" if ctx.obj is None else f"filter-ban --config {shlex.quote(str(ctx.obj))} lift"
        )
        click.echo("\n".join(lines(document, time.time(), lift)))
    if not is_known(document):
        ctx.exit(Exit.REFUSED)


def lines(document: Document, now_s: float, lift: str = "filter-ban lift") -> Iterator[str]:
    """Yield *document* in words; *lift* is the command that lifts a ban. Times are local."""
    ban, past = part(document, "ban"), parts(document, "past_bans")
    if ban:
        yield from _ban_lines(document, ban, now_s, lift)
    else:
        yield f"{shown(document.get('client'))} is not banned."
        if document.get("strikes"):
            yield f"It has {wording.weight(document['strikes'])} strikes that still count{_limits(document)}."
    yield from _network_lines(document, now_s, lift)
    yield from _reference_lines(document.get("reference"), ban, past)
    if allowed := part(document, "allowed"):
        yield (
            f"It is let in by hand, whatever it does: {shown(allowed.get('client'))}, "
            f"since {wording.since(allowed.get('since'), now_s, wording.LOCAL)}."
        )
    elif document.get("never"):
        yield f"It is never counted and never banned: {shown(document['never'])} is on the never-list."
    yield from _login_lines(part(document, "logins"), now_s)
    if document.get("problem"):
        yield f"Its history cannot be told: {shown(document['problem'])}"
    yield from _event_lines(parts(document, "events"), document.get("client"))
    yield from _past_lines([one for one in past if not _is_same(one, ban)])
    if not is_known(document):
        yield "Nothing is known of it."


def is_known(document: Document) -> bool:
    """Return whether there is anything to tell."""
    keys = ("ban", "network_ban", "never", "strikes", "events", "past_bans")
    return any(document.get(key) for key in keys) or bool(part(document, "logins").get("users"))


def _is_same(past: Document, ban: Document) -> bool:
    return bool(ban) and all(past.get(key) == ban.get(key) for key in ("reference", "start", "client"))


def _ban_lines(document: Document, ban: Document, now_s: float, lift: str) -> Iterator[str]:
    client, banned = shown(document.get("client")), shown(ban.get("client"))
    yield f"{client} is banned." if banned == client else f"{client} is banned as part of {banned}."
    yield from wording.indented(
        [
            ("since", wording.since(ban.get("start"), now_s, wording.LOCAL)),
            ("until", wording.until(ban.get("end"), now_s, wording.LOCAL)),
            ("rule", _rule(ban)),
            ("strikes", wording.weight(ban.get("strikes")) + _raised(document.get("raised"))),
            ("offence", shown(ban.get("offence"))),
            *_node_rows(ban),
            ("reference", shown(ban.get("reference"))),
            ("firewall", _firewall(document, ban)),
            ("lift it", f"{lift} {banned}"),
        ]
    )


def _node_rows(ban: Document) -> Iterator[tuple[str, str]]:
    if ban.get("node"):
        yield "decided", f"by node {shown(ban['node'])}"
    if ban.get("here"):
        yield "holds", "on this node only"


def _rule(ban: Document) -> str:
    rule, reason = shown(ban.get("rule")), shown(ban.get("reason"))
    return rule if reason in (rule, "-") else f"{rule}: {reason}"


def _raised(strikes: object) -> str:
    if not strikes:
        return ""
    return f", {wording.weight(strikes)} of them added as many clients fail that user and no login of his followed"


def _firewall(document: Document, ban: Document) -> str:
    if document.get("mode") == "watch":
        return "not there, and it is not refused either: the mode is watch"
    state = ban.get("enforcement")
    if state == "unknown" and ban.get("firewall") is not False:
        return "unknown: no daemon answers"
    if state in ("in-band", "unknown"):
        why = document.get("firewall_why")
        return "dialogue only" + (f": {shown(why)}" if why else "")
    problem, dropped = ban.get("problem"), ban.get("dropped")
    return (
        wording.enforcement(state)
        + (f": {shown(problem)}" if problem else "")
        + (f", {wording.count(dropped, 'packet')} dropped" if dropped else "")
    )


def _limits(document: Document) -> str:
    limits = document.get("limits")
    if not isinstance(limits, list) or not limits:
        return ""
    return f"; it is banned at {' or '.join(map(shown, limits))}"


def _network_lines(document: Document, now_s: float, lift: str) -> Iterator[str]:
    ban = part(document, "network_ban")
    if not ban:
        return
    network = shown(ban.get("client"))
    is_known_there = bool(part(document, "logins").get("users"))
    if not document.get("ban") or (ban.get("rule") == "widened" and is_known_there):
        consequence = "it is spared, as somebody logs in from there"
    else:
        consequence = f"lift that too: {lift} {network}"
    until = wording.until(ban.get("end"), now_s, wording.LOCAL)
    yield f"Its network {network} is banned until {until}; {consequence}."


def _reference_lines(reference: object, ban: Document, past: list[Document]) -> Iterator[str]:
    if not reference or reference == ban.get("reference"):
        return
    for one in past:
        if one.get("reference") == reference:
            yield f"{shown(reference)} was its ban {_run(one)}; {_rule(one)}."
            return


def _login_lines(logins: Document, now_s: float) -> Iterator[str]:
    if users := logins.get("users"):
        last = wording.since(logins.get("last"), now_s, wording.LOCAL)
        yield f"{wording.count(users, 'user')} logged in from there lately, the last one {last}."


def _event_lines(events: list[Document], client: object) -> Iterator[str]:
    if not events:
        return
    yield ""
    yield "Last events:" if len(events) <= EVENTS_SHOWN else f"The last {EVENTS_SHOWN} events:"
    last = events[:EVENTS_SHOWN]
    rows = [_event(event) for event in last]
    if any(event.get("client") != client for event in last):
        rows = [(shown(event.get("client")), *row) for event, row in zip(last, rows, strict=True)]
    if wording.tells_nodes(last):
        rows = [
            (*row[:-1], f"at {wording.node(event)}", row[-1]) for event, row in zip(last, rows, strict=True)
        ]
    yield from wording.indented(rows)


def _event(event: Document) -> tuple[str, ...]:
    kind, why = shown(event.get("kind")), event.get("why")
    return (
        wording.moment(event.get("time"), wording.LOCAL),
        KINDS.get(kind, kind),
        f"user {shown(event.get('user'))}",
        f"on {shown(event.get('service'))}",
        f"weight {wording.weight(event.get('weight'))}" + (f": {shown(why)}" if why else ""),
    )


def _past_lines(bans: list[Document]) -> Iterator[str]:
    if not bans:
        return
    yield ""
    yield (
        "Earlier bans:"
        if len(bans) <= PAST_BANS_SHOWN
        else f"The last {PAST_BANS_SHOWN} of {len(bans)} earlier bans:"
    )
    last = bans[:PAST_BANS_SHOWN]
    rows: list[tuple[str, ...]] = [
        (_run(ban), shown(ban.get("client")), _rule(ban), shown(ban.get("reference"))) for ban in last
    ]
    if wording.tells_nodes(last):
        rows = [(*row, f"by {wording.node(ban)}") for ban, row in zip(last, rows, strict=True)]
    yield from wording.indented(rows)


def _run(ban: Document) -> str:
    """Return when a past ban began and ended."""
    start = wording.moment(ban.get("start"), wording.LOCAL)
    if ban.get("lifted"):
        lifted = wording.moment(ban["lifted"], wording.LOCAL)
        return f"{start} to {lifted}, lifted by {shown(ban.get('lifted_by'))}"
    return f"{start} to {'for ever' if ban.get('end') is None else wording.moment(ban['end'], wording.LOCAL)}"
