# SPDX-License-Identifier: ISC
"""``filter-ban show``: why is a client blocked."""

import shlex
import time
from collections.abc import Iterator
from pathlib import Path

import click

from filter_ban.cli import wording
from filter_ban.cli.document import Document, part, parts
from filter_ban.cli.failures import Exit
from filter_ban.cli.options import Command, config_option, json_option
from filter_ban.cli.reading import ask_or_read, load, print_json, warn
from filter_ban.cli.wording import shown

EVENTS_SHOWN = 10
PAST_BANS_SHOWN = 10


@click.command("show", cls=Command, example="filter-ban show 192.0.2.7")
@click.argument("client", metavar="CLIENT|REFERENCE")
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
    """Yield *document* in words; *lift* is the command that lifts a ban."""
    client, ban, strikes = shown(document.get("client")), part(document, "ban"), document.get("strikes")
    if ban:
        yield from _ban_lines(client, ban, now_s, lift)
    else:
        yield f"{client} is not banned."
        if strikes:
            yield f"It has {wording.weight(strikes)} strikes that still count."
    if document.get("never"):
        yield f"It is never counted and never banned: {shown(document['never'])} is on the never-list."
    if document.get("problem"):
        yield f"Its history cannot be told: {shown(document['problem'])}"
    yield from _event_lines(parts(document, "events"))
    yield from _past_lines([past for past in parts(document, "past_bans") if not _is_same(past, ban)])
    if not is_known(document):
        yield "Nothing is known of it."


def is_known(document: Document) -> bool:
    """Return whether there is anything to tell."""
    return any(document.get(key) for key in ("ban", "never", "strikes", "events", "past_bans"))


def _is_same(past: Document, ban: Document) -> bool:
    return bool(ban) and all(past.get(key) == ban.get(key) for key in ("reference", "start", "client"))


def _ban_lines(client: str, ban: Document, now_s: float, lift: str) -> Iterator[str]:
    banned = shown(ban.get("client"))
    yield f"{client} is banned." if banned == client else f"{client} is banned as part of {banned}."
    yield from wording.indented(
        [
            ("since", wording.since(ban.get("start"), now_s)),
            ("until", wording.until(ban.get("end"), now_s)),
            ("rule", _rule(ban)),
            ("strikes", wording.weight(ban.get("strikes"))),
            ("offence", shown(ban.get("offence"))),
            ("reference", shown(ban.get("reference"))),
            ("firewall", _firewall(ban)),
            ("lift it", f"{lift} {banned}"),
        ]
    )


def _rule(ban: Document) -> str:
    rule, reason = shown(ban.get("rule")), shown(ban.get("reason"))
    return rule if reason in (rule, "-") else f"{rule}: {reason}"


def _firewall(ban: Document) -> str:
    state = ban.get("enforcement")
    if state == "unknown":
        return "unknown: no daemon answers"
    problem = ban.get("problem")
    return wording.enforcement(state) + (f": {shown(problem)}" if problem else "")


def _event_lines(events: list[Document]) -> Iterator[str]:
    if not events:
        return
    yield ""
    yield "Last events:" if len(events) <= EVENTS_SHOWN else f"The last {EVENTS_SHOWN} events:"
    yield from wording.indented(
        (
            wording.moment(event.get("time")),
            shown(event.get("kind")),
            f"user {shown(event.get('user'))}",
            f"on {shown(event.get('service'))}",
            f"weight {wording.weight(event.get('weight'))}",
        )
        for event in events[:EVENTS_SHOWN]
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
    yield from wording.indented(
        (
            f"{wording.moment(ban.get('start'))} to {_end(ban)}",
            shown(ban.get("client")),
            _rule(ban),
            shown(ban.get("reference")),
        )
        for ban in bans[:PAST_BANS_SHOWN]
    )


def _end(ban: Document) -> str:
    if ban.get("lifted"):
        return f"{wording.moment(ban['lifted'])}, lifted by {shown(ban.get('lifted_by'))}"
    return "for ever" if ban.get("end") is None else wording.moment(ban["end"])
