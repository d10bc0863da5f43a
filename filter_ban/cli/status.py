# SPDX-License-Identifier: ISC
"""``filter-ban status``: is all well."""

import time
from collections.abc import Iterator
from pathlib import Path

import click

from filter_ban.cli import cluster, wording
from filter_ban.cli.document import Document, part, parts
from filter_ban.cli.failures import Exit
from filter_ban.cli.health import problems
from filter_ban.cli.options import Command, config_option, json_option
from filter_ban.cli.reading import ask_or_read, load, print_json
from filter_ban.cli.wording import count, shown

_MODES = {
    "watch": "watch: nobody is refused, what would happen is logged",
    "refuse": "refuse: in the dialogue only",
    "enforce": "enforce: in the dialogue and in the firewall",
}


@click.command("status", cls=Command, example="filter-ban status --json | jq -e .ok")
@json_option
@config_option
@click.pass_context
def command(ctx: click.Context, *, as_json: bool) -> None:
    """
    Say how daemon, ledger, firewall and cluster are.

    Exit status: 0 a daemon answers (what is wrong is said, and "ok" is false in the JSON document), 69 none does.
    """
    config, file = load(ctx.obj)

    def read(path: Path) -> Document:
        from filter_ban.cli.offline import status_document  # noqa: PLC0415 - SQLite is needed without a daemon only

        return status_document(config, file, path, time.time())

    document, unavailable = ask_or_read(config, lambda daemon: daemon.ask_one("status"), read)
    wrong = problems(document, unavailable.message if unavailable else None)
    document |= {
        "daemon": unavailable.state if unavailable else "running",
        "ok": not wrong,
        "problems": wrong,
    }
    if as_json:
        print_json(document)
    else:
        click.echo("\n".join(lines(document)))
    if unavailable is not None:
        ctx.exit(Exit.UNAVAILABLE)


def lines(document: Document) -> Iterator[str]:
    """Yield *document* for people: the facts, then everything that is wrong, marked."""
    now_s = document["now"] if wording.is_number(document.get("now")) else time.time()
    facts = _facts if document["daemon"] == "running" else _ledger_facts
    yield from wording.columns([*facts(document, now_s)])
    yield ""
    if peers := [*cluster.peer_table(document, now_s)]:
        yield from peers
        yield ""
    if document["ok"]:
        yield "All is well."
    for problem in document["problems"]:
        yield f"!! {wording.printable(problem)}"


def _facts(document: Document, now_s: float) -> Iterator[tuple[str, str]]:
    ledger, firewall = part(document, "ledger"), part(document, "firewall")
    backends = parts(firewall, "backends")
    since = wording.since(document.get("started"), now_s)
    yield "daemon", f"running since {since}, version {shown(document.get('version'))}"
    yield "processes", f"engine {shown(document.get('pid'))}, enforcer {shown(document.get('enforcer_pid'))}"
    yield "configuration", shown(document.get("configuration"))
    yield "mode", _mode(document)
    yield (
        "clients",
        f"{count(document.get('clients'))} tracked"
        + _some(document.get("clients_evicted"), "evicted for room"),
    )
    yield (
        "bans",
        count(document.get("bans")) + (", strikes are being read back" if document.get("restoring") else ""),
    )
    yield "refused", count(document.get("refused"), "command")
    if document.get("besieged"):
        yield "besieged", f"{count(document['besieged'], 'user')}: many clients fail to log in as them"
    yield "relays", f"{count(document.get('relays'))} connected"
    for listener in parts(document, "listeners"):
        if listener.get("problem"):
            yield (
                "listener",
                f"{shown(listener.get('service'))} {shown(listener.get('endpoint'))}: {shown(listener['problem'])}",
            )
    yield "events", _events(document.get("events"))
    if document.get("recording"):
        yield "recording", _recording(part(document, "recording"))
    if document.get("hooks"):
        yield "hooks", _hooks(part(document, "hooks"))
    yield (
        "ledger",
        f"{shown(ledger.get('path'))}: {'ok' if ledger.get('ok') else 'NOT WRITTEN'}"
        + _some(ledger.get("pending_bans"), "bans and lifts not yet written"),
    )
    if not backends:
        yield "firewall", "none is configured"
    for backend in backends:
        yield "firewall", _firewall(backend, now_s)
    yield from cluster.facts(document, now_s)


def _ledger_facts(document: Document, now_s: float) -> Iterator[tuple[str, str]]:
    ledger = part(document, "ledger")
    yield "daemon", document["daemon"]
    yield "configuration", shown(document.get("configuration"))
    yield "mode", _mode(document)
    yield "ledger", shown(ledger.get("path"))
    if ledger.get("ok"):
        yield "last write", wording.since(ledger.get("last_write"), now_s)
        yield "bans", f"{count(document.get('bans'))} active, {count(ledger.get('bans'))} in all"
        yield "strikes", count(ledger.get("strikes"))


def _mode(document: Document) -> str:
    mode = shown(document.get("mode"))
    return _MODES.get(mode, mode)


def _some(number: object, what: str) -> str:
    return f", {count(number)} {what}" if number else ""


def _events(events: object) -> str:
    if not isinstance(events, dict) or not events:
        return "none yet"
    return ", ".join(f"{count(number)} {shown(kind)}" for kind, number in sorted(events.items()))


def _recording(recording: Document) -> str:
    problem = recording.get("problem")
    return (
        f"{count(recording.get('written'))} signals written"
        + _some(recording.get("lost"), "lost")
        + (f": {shown(problem)}" if problem else "")
    )


def _hooks(hooks: Document) -> str:
    return f"{count(hooks.get('done'))} told" + "".join(
        _some(hooks.get(state), state) for state in ("failed", "dropped", "waiting", "running")
    )


def _firewall(backend: Document, now_s: float) -> str:
    facts = [f"{shown(backend.get('backend'))}: {count(backend.get('in_force'))} in force"]
    facts += [f"{count(backend[state])} {state}" for state in ("pending", "failed") if backend.get(state)]
    if backend.get("dropped") is not None:
        facts.append(f"{count(backend['dropped'], 'packet')} dropped")
    if backend.get("changed_by_others"):
        facts.append(f"{count(backend['changed_by_others'])} changed by others and repaired since the start")
    if backend.get("last_sync"):
        facts.append(f"compared {wording.since(backend['last_sync'], now_s)}")
    return ", ".join(facts)
