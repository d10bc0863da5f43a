# SPDX-License-Identifier: ISC
"""
What read commands can tell while no daemon answers: the ledger alone.

The documents have the form of the daemon's. What only a daemon knows is null or "unknown".
"""

from pathlib import Path
from typing import Any

from filter_ban import __version__
from filter_ban.cli.daemon_client import control_dirs
from filter_ban.cli.document import Document
from filter_ban.cli.failures import Failure
from filter_ban.client import ClientKey, key_text, parse_network, prefix_of
from filter_ban.config import Config
from filter_ban.engine.ban_book import WIDENED
from filter_ban.engine.policy import Policy
from filter_ban.explanation import why_in_band
from filter_ban.ledger import LedgerError, LedgerReader, open_reader
from filter_ban.model import Ban
from filter_ban.state import ledger_path
from filter_ban.text import excerpt
from filter_ban.views import (
    allowance_document,
    ban_document,
    counted_as,
    history_document,
    limit_texts,
    logins_document,
    reference_in,
)

_STRIKES_SUMMED = 10_000  # of one client; far more than any limit


def find_ledger(config: Config) -> Path:
    """Return the path of the ledger that the last daemon of *config* wrote: the first that exists, or the likeliest."""
    paths = [ledger_path(config.ledger.path, folder) for folder in control_dirs(config)]
    return next((path for path in paths if _may_exist(path)), paths[0])


def _may_exist(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return True  # in a folder that is closed to us: to be told, not to be passed over


def status_document(config: Config, file: str, path: Path, now_s: float) -> Document:
    """Return the document of ``status``; a ledger that cannot be read is part of what it tells."""
    ledger: dict[str, Any] = {"path": str(path), "ok": True, "problem": ""}
    bans = None
    try:
        with open_reader(path) as reader:
            facts = reader.facts(now_s)
        bans = facts.active_bans
        ledger |= {
            "bans": facts.bans,
            "strikes": facts.strikes,
            "bytes": facts.size_bytes,
            "last_write": facts.last_write_s,
        }
    except LedgerError as error:
        ledger |= {"ok": False, "problem": str(error)}
    return {
        "version": __version__,
        "pid": None,
        "now": now_s,
        "configuration": file,
        "mode": config.mode.value,
        "bans": bans,
        "ledger": ledger,
        "firewall": {"backends": [{"backend": name} for name in config.firewall.backend]},
    }


def list_documents(path: Path, now_s: float) -> list[Document]:
    """
    Return the active bans, newest first.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    with open_reader(path) as ledger:
        bans = sorted(ledger.active_bans(now_s), key=lambda ban: -ban.start_s)
    return [ban_document(ban) for ban in bans]


def allowed_documents(path: Path, now_s: float) -> list[Document]:
    """
    Return who is let in by hand.

    Raises:
        LedgerError: the ledger cannot be read.

    """
    with open_reader(path) as ledger:
        return [allowance_document(allowance) for allowance in ledger.allowances(now_s)]


def show_document(config: Config, path: Path, wanted: str, now_s: float) -> Document:
    """
    Return the document of ``show`` for a client, a prefix or the reference of a ban.

    Raises:
        Failure: *wanted* is none of these.
        LedgerError: the ledger cannot be read.
    """
    policy = Policy.compile(config)
    with open_reader(path) as ledger:
        client, reference = _find(ledger, wanted)
        counted = counted_as(client, policy.ipv4_prefix, policy.ipv6_prefix)
        active = [record.ban for record in ledger.bans_of(counted) if record.is_active(now_s)]
        logins = logins_document(ledger, policy, counted, now_s)
        known = logins["users"] > 0
        ban, around = _bans_on(counted, active, known=known)
        never = policy.never.covering(client)
        strikes = ledger.strikes_of(counted, _STRIKES_SUMMED)
        since_s = now_s - policy.longest_window_s
        return {
            "client": key_text(client),
            "reference": reference,
            "ban": None if ban is None else ban_document(ban),
            "firewall_why": ""
            if ban is None
            else why_in_band(ban, policy, has_firewall=bool(config.firewall.backend), known=known),
            "network_ban": None if around is None else ban_document(around),
            "mode": policy.mode.value,
            "never": None if never is None else key_text(never),
            "strikes": sum(strike.weight for strike in strikes if strike.time_s > since_s),
            "limits": limit_texts(policy, counted),
            "logins": logins,
            **history_document(ledger, policy, client=client, counted=counted, ban=ban),
        }


def _bans_on(client: ClientKey, active: list[Ban], *, known: bool) -> tuple[Ban | None, Ban | None]:
    """Return the ban of *active* that *client* is under, and another one of a network around it; see Engine.ban_of."""
    narrowest = sorted(active, key=lambda ban: -prefix_of(ban.client))
    wide = [ban for ban in narrowest if ban.client != client]
    spared = [ban for ban in wide if ban.rule == WIDENED] if known else []
    ban = next((ban for ban in narrowest if ban not in spared), None)
    return ban, next((other for other in wide if other is not ban), None)


def _find(ledger: LedgerReader, wanted: str) -> tuple[ClientKey, str | None]:
    """Return whom *wanted* is about, and the reference of a ban where it is one."""
    try:
        return parse_network(wanted), None
    except ValueError:
        reference = reference_in(wanted)
    record = ledger.find(reference)
    if record is None:
        raise Failure(
            f"{excerpt(wanted)}: neither an address, a prefix nor the reference of a ban; filter-ban list has them"
        )
    return record.ban.client, reference
