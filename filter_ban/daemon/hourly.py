# SPDX-License-Identifier: ISC
"""
What happens, counted by the hour for ``filter-ban report``.

Counts go to the ledger's writer every minute. Of services, networks and users, of which there may be very many, only
the most frequent of an hour are told by name, and so not before the hour is over, somebody asks, or the daemon stops.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Mapping
from typing import Final, Generic, Protocol, TypeVar

from filter_ban.client import ClientKey, is_ipv4, key_text
from filter_ban.daemon.alarms import Alarms
from filter_ban.daemon.enforcement import Enforcer
from filter_ban.daemon.observer import Observer
from filter_ban.daemon.sensors import Sensors
from filter_ban.engine import Engine
from filter_ban.ledger import LedgerWriter
from filter_ban.ledger.mask import mask
from filter_ban.model import Ban, Kind, Strike
from filter_ban.tally import HOUR_S, OTHERS, Alarm, Run, Tally, What

MINUTE_S: Final = 60
IPV4_PREFIX: Final = 24
IPV6_PREFIX: Final = 48
_IPV4_REST: Final = bytes([*bytes(4 - IPV4_PREFIX // 8), IPV4_PREFIX])
_IPV6_REST: Final = bytes([*bytes(16 - IPV6_PREFIX // 8), IPV6_PREFIX])
NAMES_TOLD: Final = 50  # of each of the three; a year of them is some 30 MB
MASKS_CACHED: Final = 4096
NAMES_COUNTED: Final = 5000  # at the same time, before the rarest become "others"

Totals = Mapping[tuple[What, str], int]
Name = TypeVar("Name", bound=Hashable)


class Watched(Protocol):
    """Where the figures are that others count, since they started."""

    engine: Engine
    enforcer: Enforcer
    alarms: Alarms
    sensors: Sensors
    writer: LedgerWriter


def totals(watched: Watched) -> Totals:
    """Return all that others have counted up to now."""
    events, lost = watched.sensors.events, watched.writer.health()
    return {
        **{(What.SEEN, kind.value): events[kind] for kind in Kind if events[kind]},
        (What.REFUSAL, ""): watched.sensors.refused,
        (What.ALARM, Alarm.HEARD): watched.alarms.count,
        (What.ALARM, Alarm.RIGHT_PASSWORD): events["auth-pass-banned"],
        (What.LOST, "bans"): lost.dropped_bans,
        (What.LOST, "strikes"): lost.dropped_strikes,
        (What.LOST, "logins"): lost.dropped_logins,
        **{(What.DROP, entries.backend): entries.dropped for entries in watched.enforcer.backends.values()},
    }


class Frequent(Generic[Name]):
    """Counts names in bounded memory; exact until there are more than NAMES_COUNTED."""

    def __init__(self) -> None:
        self._counts: Counter[Name] = Counter()
        self._others = 0

    def add(self, name: Name) -> None:
        """Count *name* once more."""
        self._counts[name] += 1
        if len(self._counts) > NAMES_COUNTED:
            self._keep(NAMES_COUNTED // 2)

    def take(self) -> tuple[dict[Name, int], int]:
        """Return how often each of the most frequent was counted, and all others together; begin anew."""
        self._keep(NAMES_TOLD)
        taken = dict(self._counts), self._others
        self._counts, self._others = Counter(), 0
        return taken

    def _keep(self, most: int) -> None:
        kept = Counter(dict(self._counts.most_common(most)))
        self._others += self._counts.total() - kept.total()
        self._counts = kept


class HourlyTallies(Observer):
    """
    Counts by the hour.

    Args:
        watched: Counts much itself.
        clock: Unix seconds.

    """

    def __init__(self, watched: Watched, clock: Callable[[], float]) -> None:
        self._watched = watched
        self._clock = clock
        self._now_s = clock()
        self._counts: Counter[tuple[str, str]] = Counter({(What.RUN, Run.START): 1})
        self._services = Frequent[str]()
        self._networks = Frequent[ClientKey]()
        self._users = Frequent[str]()
        self._masks: dict[int, str] = {}  # by the tag of the name: masking costs as much as all the rest
        self._before: Totals = {}

    # --- as an observer

    def struck(self, strikes: list[Strike]) -> None:
        """Count strikes, those of weight 0 among them."""
        for strike in strikes:
            self._counts[What.FAILURE, strike.kind] += 1
            self._networks.add(_network(strike.client))
            if strike.service:
                self._services.add(strike.service)
            if strike.user:
                self._users.add(self._masked(strike.user, strike.user_tag))

    def _masked(self, user: str, user_tag: int) -> str:
        masked = self._masks.get(user_tag) if user_tag else mask(user)
        if masked is None:
            if len(self._masks) >= MASKS_CACHED:
                self._masks.clear()
            masked = self._masks[user_tag] = mask(user)
        return masked

    def banned(self, bans: list[Ban]) -> None:
        """Count bans by their rule."""
        self._counts.update((What.BAN, ban.rule) for ban in bans)

    def ended(self, bans: list[Ban], by: str) -> None:
        """Count ends of bans by who ended them."""
        self._counts[What.END, by] += len(bans)

    # --- by the clock

    def pass_time(self) -> None:
        """Hand over what a minute, or an hour, that is over has brought; to be called every few seconds."""
        now_s = self._clock()
        if now_s // MINUTE_S != self._now_s // MINUTE_S:
            self._counts[What.RUN, Run.MINUTE] += 1
            self._counts[What.SIEGE, ""] += self._watched.engine.besieged
            self._hand_over(names=now_s // HOUR_S != self._now_s // HOUR_S)
            self._now_s = now_s

    def hand_over(self) -> None:
        """Hand over everything."""
        self._hand_over(names=True)

    def _hand_over(self, *, names: bool) -> None:
        """Hand over the counts, and the *names* too; all of it belongs to the hour that the last minute was in."""
        now = totals(self._watched)
        self._counts.update(_growth(self._before, now))
        self._before = now
        if names:
            self._tell(What.SERVICE, self._services, str)
            self._tell(What.NETWORK, self._networks, key_text)
            self._tell(What.USER, self._users, str)
        hour = int(self._now_s // HOUR_S)
        counts, self._counts = self._counts, Counter()
        self._watched.writer.tally(
            Tally(hour, what, name, number) for (what, name), number in counts.items() if number
        )

    def _tell(self, what: What, frequent: Frequent[Name], text: Callable[[Name], str]) -> None:
        kept, others = frequent.take()
        self._counts.update({(what, text(name)): number for name, number in kept.items()})
        self._counts[what, OTHERS] += others


def _growth(before: Totals, now: Totals) -> dict[tuple[str, str], int]:
    """Return by how much totals grew; one that has shrunk was begun anew."""
    return {key: now[key] - (before.get(key, 0) if before.get(key, 0) <= now[key] else 0) for key in now}


def _network(client: ClientKey) -> ClientKey:
    """Return the network around *client*; as :func:`filter_ban.client.widen`, for prefixes of whole bytes."""
    if is_ipv4(client):
        return client if client[-1] <= IPV4_PREFIX else ClientKey(client[: IPV4_PREFIX // 8] + _IPV4_REST)
    return client if client[-1] <= IPV6_PREFIX else ClientKey(client[: IPV6_PREFIX // 8] + _IPV6_REST)
