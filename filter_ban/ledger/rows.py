# SPDX-License-Identifier: ISC
"""Between rows of the tables and the nouns of the model. Every text is bounded and printable once it is in a row."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import attrs

from filter_ban.client import key_text, parse_network
from filter_ban.ledger.mask import mask
from filter_ban.model import Allowance, Ban, Kind, Login, Strike
from filter_ban.tally import Tally
from filter_ban.text import EXCERPT_CHARS, excerpt

Row = tuple[Any, ...]

BAN_COLUMNS: Final = "client, start_s, end_s, rule, reason, offence, strikes, reference, firewall, node"
RECORD_COLUMNS: Final = f"{BAN_COLUMNS}, lifted_s, lifted_by"
STRIKE_COLUMNS: Final = "client, time_s, kind, weight, user, user_tag, service, node"
LOGIN_COLUMNS: Final = "client, user_tag, last_s"
ALLOWANCE_COLUMNS: Final = "network, since_s, until_s, reason, here"
TALLY_COLUMNS: Final = "hour, what, name, number"
MEMO_COLUMNS: Final = "name, value"

# What decoding a row raises that we did not write.
MEANINGLESS: Final = (ValueError, TypeError, AttributeError)

_MAX_REASON_CHARS: Final = 200
_MAX_NODE_CHARS: Final = 63
_KINDS: Final = {kind.value: kind for kind in Kind}


@attrs.frozen(kw_only=True)
class Record:
    """A ban as the ledger remembers it: still running, over, or ended by hand (``lifted_s``)."""

    ban: Ban
    lifted_s: int | None = None
    lifted_by: str = ""

    def is_active(self, now_s: float) -> bool:
        """Return whether the ban is in force."""
        return self.lifted_s is None and (self.ban.end_s is None or self.ban.end_s > now_s)


def ban_row(ban: Ban) -> Row:
    """Return the values of BAN_COLUMNS."""
    return (
        key_text(ban.client),
        ban.start_s,
        ban.end_s,
        _fit(ban.rule),
        _fit(ban.reason, _MAX_REASON_CHARS),
        ban.offence,
        ban.strikes,
        _fit(ban.reference),
        ban.firewall,
        _fit(ban.node, _MAX_NODE_CHARS),
    )


def record_row(record: Record) -> Row:
    """Return the values of RECORD_COLUMNS."""
    return (*ban_row(record.ban), record.lifted_s, _fit(record.lifted_by))


def strike_row(strike: Strike) -> Row:
    """Return the values of STRIKE_COLUMNS, the user's name masked."""
    return (
        key_text(strike.client),
        strike.time_s,
        strike.kind.value,
        strike.weight,
        mask(strike.user),
        strike.user_tag,
        _fit(strike.service),
        _fit(strike.node, _MAX_NODE_CHARS),
    )


def login_row(login: Login) -> Row:
    """Return the values of LOGIN_COLUMNS."""
    return key_text(login.client), login.user_tag, int(login.time_s)


def allowance_row(allowance: Allowance) -> Row:
    """Return the values of ALLOWANCE_COLUMNS."""
    return (
        key_text(allowance.client),
        allowance.since_s,
        allowance.until_s,
        allowance.reason,
        allowance.here,
    )


def storable(text: str) -> str:
    """Return *text*, which nobody is shown, with only that escaped which UTF-8 cannot say."""
    return text.encode(errors="backslashreplace").decode()


def tally_row(tally: Tally) -> Row:
    """Return the values of TALLY_COLUMNS."""
    return tally.hour, tally.what, excerpt(tally.name), tally.number


def read_bans(rows: Iterable[Row]) -> Iterator[Ban]:
    """Yield a ban for each row of BAN_COLUMNS. Raises: MEANINGLESS."""
    for client, start_s, end_s, rule, reason, offence, strikes, reference, firewall, node in rows:
        yield Ban(
            client=parse_network(client),
            start_s=start_s,
            end_s=end_s,
            rule=rule,
            reason=reason,
            offence=offence,
            strikes=strikes,
            reference=reference,
            firewall=firewall != 0,
            node=node,
        )


def read_records(rows: Iterable[Row]) -> Iterator[Record]:
    """Yield a record for each row of RECORD_COLUMNS. Raises: MEANINGLESS."""
    for *ban, lifted_s, lifted_by in rows:
        yield Record(ban=next(read_bans([tuple(ban)])), lifted_s=lifted_s, lifted_by=lifted_by)


def read_strikes(rows: Iterable[Row]) -> Iterator[Strike]:
    """
    Yield a strike for each row of STRIKE_COLUMNS whose kind is known. Raises: MEANINGLESS.

    A newer filter-ban may have written other kinds; what they mean is not for this one to guess.
    """
    for client, time_s, kind, weight, user, user_tag, service, node in rows:
        known = _KINDS.get(kind)
        if known is not None:
            yield Strike(parse_network(client), time_s, known, weight, user, user_tag, service, node=node)


def read_logins(rows: Iterable[Row]) -> Iterator[Login]:
    """Yield a login for each row of LOGIN_COLUMNS. Raises: MEANINGLESS."""
    for client, user_tag, last_s in rows:
        yield Login(parse_network(client), user_tag, last_s)


def read_tallies(rows: Iterable[Row]) -> Iterator[Tally]:
    """Yield a tally for each row of TALLY_COLUMNS."""
    for row in rows:
        yield Tally(*row)


def read_allowances(rows: Iterable[Row]) -> Iterator[Allowance]:
    """Yield an allowance for each row of ALLOWANCE_COLUMNS. Raises: MEANINGLESS."""
    for network, since_s, until_s, reason, here in rows:
        yield Allowance(parse_network(network), since_s, until_s, reason, here != 0)


def _fit(text: str, limit: int = EXCERPT_CHARS) -> str:
    """Return *text* fit to be stored; what is, stays as it is, however often it is read and written again."""
    return text if len(text) <= limit and text.isprintable() else excerpt(text, limit)
