# SPDX-License-Identifier: ISC
"""
The firewall as the supervisor sees it: what the engine asks for is checked here, once, and handed to every backend.

The engine is not trusted: never-list, widths and size hold whatever it says. The pace holds for what it says a rule did.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable
from typing import Any, Final

import attrs

from filter_ban.channel import ENTRIES_A_MESSAGE
from filter_ban.client import ClientKey, NetworkSet, key_text, parse_network
from filter_ban.config import Config
from filter_ban.config.schema import IPSET_BACKENDS
from filter_ban.enforcer.surroundings import find_stores, find_surroundings
from filter_ban.enforcer.worker import TableWorker
from filter_ban.firewall import Guard, Options, Run, make_backend, options_of
from filter_ban.firewall.pace import Pace
from filter_ban.logline import fact
from filter_ban.text import excerpt

_log = logging.getLogger(__name__)
News = tuple[str, Any]
LOOK_EVERY_S: Final = 60.0


class Firewall:
    """
    All backends behind one check.

    Args:
        config: Backends, never-list and limits.
        run: Runs a firewall command.
        look_around: Runs a command that tells our addresses and returns what it prints.

    Raises:
        ValueError: an option cannot be an argument of a backend's tool.

    """

    def __init__(self, config: Config, run: Run, look_around: Callable[[tuple[str, ...]], str]) -> None:
        self._config = config
        self._run = run
        self._look_around = look_around
        self._news: deque[News] = deque()
        self._wake: Callable[[], None] = lambda: None
        self._workers = self._make_workers(config)
        self._pace = Pace(config.firewall.max_per_minute)
        self._refused = 0  # since the last line of log on that
        self._refusal_logged_s = float("-inf")
        self._incoming: dict[ClientKey, int | None] = {}  # of a replacement that is not complete
        self._spared: tuple[ClientKey, ...] = ()
        self._stopping = threading.Event()
        self.surroundings = self._find_surroundings(by_name=False)
        self._guard = self._make_guard()

    def _make_workers(self, config: Config) -> dict[str, TableWorker]:
        """Return a worker for each backend, by the table that it fills."""
        firewall = config.firewall
        options = options_of(firewall)
        return {
            _table(name, options): TableWorker(make_backend(name, options), self._run, self._tell)
            for name in firewall.backend
        }

    def _make_guard(self) -> Guard:
        never = self._config.never
        own = self.surroundings if never.own_addresses else frozenset()
        return Guard(
            NetworkSet((*never.networks, *own, *self._spared)),
            widest_ipv4=never.widest.ipv4,
            widest_ipv6=never.widest.ipv6,
            max_entries=self._config.firewall.max_entries,
        )

    # --- from the beginning to the end; called from the supervisor's thread

    def start(self, wake: Callable[[], None]) -> None:
        """Begin; *wake* is called from other threads when there is news."""
        self._wake = wake
        for worker in self._workers.values():
            worker.start()
        threading.Thread(target=self._keep_looking, name="surroundings", daemon=True).start()

    def reconfigure(self, config: Config) -> bool:
        """
        Go by *config* from now on; return whether the engine must say anew what should be in force.

        Tables that are filled no more are emptied. Those that go on being filled are not touched before the engine has
        said what should be in them.

        Raises:
            ValueError: an option cannot be an argument of a backend's tool; nothing is changed.

        """
        old, new = self._config.firewall, config.firewall
        anew = attrs.evolve(old, max_per_minute=new.max_per_minute) != new
        if anew:
            workers = self._make_workers(config)
            retired, self._workers = self._workers, workers
            for table, worker in retired.items():
                worker.retire(empty=table not in workers)
            for worker in workers.values():
                worker.start(await_replacement=True)
        if old.max_per_minute != new.max_per_minute:
            self._pace = Pace(new.max_per_minute)
        self._config = config
        self._guard = self._make_guard()
        return anew

    def stop(self, timeout_s: float = 5.0) -> None:
        """End after the commands that run now; the tables stay as they are."""
        self._stopping.set()
        deadline_s = time.monotonic() + timeout_s
        for worker in self._workers.values():
            worker.stop(max(0.0, deadline_s - time.monotonic()))

    # --- what the engine asks for; called from the supervisor's thread

    def replace(self, entries: Iterable[Any], *, more: bool) -> None:
        """Take a piece of all that should be in force; the last one (not *more*) puts it in the place of the old."""
        self._incoming.update(self._checked(entries, held=self._incoming))
        if more:
            return
        replacement, self._incoming = self._incoming, {}
        for worker in self._workers.values():
            worker.replace(replacement)

    def change(self, adds: Iterable[Any], removes: Iterable[str], *, by_rule: bool) -> None:
        """Want some entries more and some less; *by_rule*: nobody asked for these, so there is a limit on their pace."""
        gone = [parse_network(text) for text in removes]
        held = next((worker.clients for worker in self._workers.values()), ())
        allowed = self._checked(adds, held=held)
        if by_rule:
            allowed = self._slowed(allowed, held)
        for worker in self._workers.values():
            worker.change(allowed, gone)

    def spare(self, networks: Iterable[str]) -> None:
        """Push nothing that shares an address with *networks*, beside what is never pushed; these take the old ones' place."""
        self._spared = tuple(map(parse_network, networks))
        self._guard = self._make_guard()

    def ask_for_sync(self, number: int) -> None:
        """Compare tables and bans now; the reports will carry *number*."""
        for worker in self._workers.values():
            worker.ask_for_sync(number)

    def _checked(self, entries: Iterable[Any], held: Collection[ClientKey]) -> dict[ClientKey, int | None]:
        wishes = [(parse_network(text), end_s) for text, end_s in entries]
        allowed, refused = self._guard.check(wishes, held=held, now_s=time.time())
        self._refuse(refused)
        return allowed

    def _slowed(
        self, allowed: dict[ClientKey, int | None], held: Collection[ClientKey]
    ) -> dict[ClientKey, int | None]:
        """Return those of *allowed* that the pace lets through; what is held already is no new entry."""
        new = [key for key in allowed if key not in held]
        refused = new[self._pace.take(len(new), time.monotonic()) :]
        self._refuse([(key, f"more than {self._pace.per_minute} new bans in a minute") for key in refused])
        left_out = set(refused)
        return {key: end_s for key, end_s in allowed.items() if key not in left_out}

    def _refuse(self, refused: list[tuple[ClientKey, str]]) -> None:
        if not refused:
            return
        self._log_refusal(*refused[0], len(refused))
        failed = [[key_text(key), why] for key, why in refused]
        for worker in self._workers.values():
            for at in range(0, len(failed), ENTRIES_A_MESSAGE):
                self._tell("outcome", {"backend": worker.name, "failed": failed[at : at + ENTRIES_A_MESSAGE]})

    def _log_refusal(self, key: ClientKey, why: str, entries: int) -> None:
        """Log a refusal, but not more than one in a while: a botnet brings thousands."""
        self._refused += entries
        now_s = time.monotonic()
        if now_s - self._refusal_logged_s >= LOOK_EVERY_S:
            _log.warning(
                fact(
                    "alarm",
                    why=excerpt(why),
                    client=key_text(key),
                    entries=self._refused,
                    consequence="in the dialogue only",
                )
            )
            self._refused, self._refusal_logged_s = 0, now_s

    # --- what the engine is told

    def take_news(self) -> list[News]:
        """Return, once, what is to be told to the engine."""
        news = []
        while self._news:
            news.append(self._news.popleft())
        return news

    def _tell(self, verb: str, argument: Any) -> None:
        self._news.append((verb, argument))
        self._wake()

    # --- our own addresses

    def _keep_looking(self) -> None:
        pause_s = 0.0 if self._config.cluster.stores else LOOK_EVERY_S
        while not self._stopping.wait(pause_s):
            pause_s = LOOK_EVERY_S
            found = self._find_surroundings(by_name=True)
            if found != self.surroundings:
                self.surroundings = found
                self._guard = self._make_guard()
                self._tell("surroundings", [key_text(key) for key in found])

    def _find_surroundings(self, *, by_name: bool) -> frozenset[ClientKey]:
        stores = find_stores(self._config.cluster.stores, by_name=by_name)
        return find_surroundings(self._look_around) | stores


def _table(backend: str, options: Options) -> str:
    """Return what names the table that *backend* fills: several fill the same sets."""
    kind = "ipset" if backend in IPSET_BACKENDS else backend
    return f"{kind} {options.table} {options.anchor} {options.helper}"
