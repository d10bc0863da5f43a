# SPDX-License-Identifier: ISC
"""
The compared rule sets, each at its best: every failed login is seen, whatever the server.

Their defaults are those of the projects' own configuration files; what is simplified stands in docs/judgement.md.
"""

from collections import Counter, defaultdict, deque

import attrs

from filter_ban.client import ClientKey, is_ipv4, widen
from tests.bench.judgement.login import DAY_S, HOUR_S, MINUTE_S, Answer, Login
from tests.bench.judgement.rule import Rule


class FirewallRule(Rule):
    """A rule set that bans addresses in the firewall."""

    def __init__(self) -> None:
        super().__init__()
        self._bans: dict[ClientKey, tuple[float, float]] = {}

    def judge(self, login: Login) -> Answer | None:
        """Drop who is banned."""
        ban = self._bans.get(login.host.address)
        if ban is None or not ban[0] <= login.time_s < ban[1]:
            return None
        return Answer.DROPPED

    def ban(self, address: ClientKey, start_s: float, end_s: float) -> None:
        """Ban *address* from *start_s* on."""
        self._bans[address] = start_s, end_s
        self.firewall_bans.append(address)


class HourlyScan(FirewallRule):
    """A script of awk that reads today's log each hour: more than 5 failures, or one for a foreign domain."""

    name = "awk, hourly"
    most = 5
    every_s = HOUR_S
    length_s = 7 * DAY_S
    members = 0  # so many guilty addresses of a /24 make the /24 guilty; 0: never

    def __init__(self) -> None:
        super().__init__()
        self._day = 0
        self._run = 0
        self._failures: Counter[ClientKey] = Counter()
        self._silent: Counter[ClientKey] = Counter()
        self._foreign: set[ClientKey] = set()

    def judge(self, login: Login) -> Answer | None:
        """Drop who is banned; run the script when its hour has come."""
        run = int(login.time_s // self.every_s)
        if run != self._run:
            self._scan(run * self.every_s)
            self._run = run
        answer = super().judge(login)
        if answer is None and self.members and is_ipv4(login.host.address):
            ban = self._bans.get(widen(login.host.address, 24))
            return Answer.DROPPED if ban is not None and ban[1] > login.time_s else None
        return answer

    def _scan(self, now_s: int) -> None:
        guilty = {address for address, count in self._failures.items() if count > self.most}
        guilty |= {address for address, count in self._silent.items() if count > self.most} | self._foreign
        if self.members:
            wide = Counter(widen(address, 24) for address in guilty if is_ipv4(address))
            guilty |= {network for network, count in wide.items() if count >= self.members}
        for address in sorted(guilty):
            if self._bans.get(address, (0, 0))[1] <= now_s:
                self.ban(address, now_s, self.end_s(now_s))
        if now_s // DAY_S != self._day:
            self._day = now_s // DAY_S
            for counted in (self._failures, self._silent, self._foreign):
                counted.clear()

    def end_s(self, now_s: int) -> int:
        """Return when a ban ends."""
        return now_s + self.length_s

    def learn(self, login: Login) -> None:
        """Write the log."""
        address = login.host.address
        if login.account is None:
            self._silent[address] += 1
        elif not login.right:
            self._failures[address] += 1
            if not login.account.local:
                self._foreign.add(address)


class ScanWithNetworks(HourlyScan):
    """The same every 15 minutes, with networks, until the log is rotated at midnight; no rule for domains or TLS."""

    name = "awk, 15 min, /24"
    every_s = 15 * MINUTE_S
    members = 5

    def end_s(self, now_s: int) -> int:
        """Return the next midnight."""
        return now_s - now_s % DAY_S + DAY_S

    def learn(self, login: Login) -> None:
        """Write the log."""
        if login.account is not None and not login.right:
            self._failures[login.host.address] += 1


class Fail2ban(FirewallRule):
    """5 failures in 10 minutes, 10 minutes."""

    name = "fail2ban"
    lag_s = 1.0
    most = 5
    window_s = 600
    length_s = 600

    def __init__(self) -> None:
        super().__init__()
        self._failures: defaultdict[ClientKey, deque[float]] = defaultdict(deque)

    def learn(self, login: Login) -> None:
        """Count a failure."""
        if login.account is None or login.right:
            return
        address = login.host.address
        if self._bans.get(address, (0, 0))[1] > login.time_s:
            return
        times = self._failures[address]
        times.extend([login.time_s] * self.weight(address, login.time_s))
        while times[0] <= login.time_s - self.window_s:
            times.popleft()
        if len(times) >= self.most:
            del self._failures[address]
            start_s = login.time_s + self.lag_s
            self.ban(address, start_s, start_s + self.length(address, login.time_s))

    def weight(self, address: ClientKey, now_s: float) -> int:
        """Return how many failures one failure counts."""
        return 1

    def length(self, address: ClientKey, now_s: float) -> float:
        """Return the length of a ban."""
        return self.length_s


class Fail2banIncrement(Fail2ban):
    """The same with ``bantime.increment``: twice as long each time, and known addresses count more."""

    name = "fail2ban, increment"
    purge_s = DAY_S

    def __init__(self) -> None:
        super().__init__()
        self._known: dict[ClientKey, int] = {}

    def _bans_before(self, address: ClientKey, now_s: float) -> int:
        last = self._bans.get(address)
        if last is None or (now_s - last[0] > self.purge_s and last[1] < now_s):
            self._known.pop(address, None)
        return self._known.get(address, 0)

    def weight(self, address: ClientKey, now_s: float) -> int:
        """Return 2, 3, 5, 9... for an address that was banned."""
        before = self._bans_before(address, now_s)
        return min((1 << before) // 2 + 1, self.most) if before else 1

    def length(self, address: ClientKey, now_s: float) -> float:
        """Return the length of a ban, doubled for each one before."""
        before = self._bans_before(address, now_s)
        self._known[address] = before + 1
        return float(self.length_s * (1 << min(before, 20)))


@attrs.define
class Record:
    """What blacklistd stores of an address."""

    count: int
    last_s: float


class Blacklistd(FirewallRule):
    """``nfail`` 3, 24 h; a failure counts 2 since 2025, and the 24 h begin anew with each."""

    name = "blacklistd"
    most = 3
    length_s = DAY_S

    def __init__(self) -> None:
        super().__init__()
        self._records: dict[ClientKey, Record] = {}

    def learn(self, login: Login) -> None:
        """Count a failure."""
        if login.account is None or login.right:
            return
        address = login.host.address
        record = self._records.get(address)
        if record is None or login.time_s - record.last_s > self.length_s:
            record = self._records[address] = Record(0, 0)
        record.count += 2
        record.last_s = login.time_s
        if record.count >= self.most:
            self.ban(address, login.time_s, login.time_s + self.length_s)


class Sshguard(FirewallRule):
    """Score 30 in 1800 s from the first hit on; 120 s, doubled each time; a connection without a login is a hit."""

    name = "sshguard"
    hits = 3
    window_s = 1800
    length_s = 120
    sweep_s = 31  # the middle of 1 to 61

    def __init__(self) -> None:
        super().__init__()
        self._hits: dict[ClientKey, tuple[float, int]] = {}
        self._offences: Counter[ClientKey] = Counter()

    def learn(self, login: Login) -> None:
        """Count a hit."""
        if login.right:
            return
        address = login.host.address
        first_s, hits = self._hits.get(address, (login.time_s, 0))
        if login.time_s - first_s > self.window_s:
            first_s, hits = login.time_s, 0
        self._hits[address] = first_s, hits + 1
        if hits + 1 >= self.hits:
            del self._hits[address]
            length_s = self.length_s << self._offences[address]
            self._offences[address] += 1
            self.ban(address, login.time_s, login.time_s + length_s + self.sweep_s)


class Weakforced(Rule):
    """More than 50 different wrong passwords of an address in an hour are refused; above 3 for one name, 3 s pass."""

    name = "weakforced"
    most = 50
    most_for_one = 3
    window_s = 10 * MINUTE_S
    windows = 6

    def __init__(self) -> None:
        super().__init__()
        self._tried: dict[tuple[ClientKey, int], tuple[int, set[tuple[int, int]]]] = {}

    def _different(self, address: ClientKey, user: int, now_s: float) -> int:
        window = int(now_s // self.window_s)
        seen: set[tuple[int, int]] = set()
        for number in range(window - self.windows + 1, window + 1):
            slot, tried = self._tried.get((address, user * self.windows + number % self.windows), (-1, None))
            if slot == number and tried:
                seen |= tried
        return len(seen)

    def judge(self, login: Login) -> Answer | None:
        """Refuse an address that tried too many passwords."""
        if login.account is not None and self._different(login.host.address, 0, login.time_s) > self.most:
            return Answer.REFUSED
        return None

    def delay_s(self, login: Login) -> float:
        """Return the tarpit's 3 s."""
        assert login.account is not None
        different = self._different(login.host.address, login.account.tag, login.time_s)
        return 3.0 if different > self.most_for_one else 0.0

    def learn(self, login: Login) -> None:
        """Note a wrong password."""
        if login.account is None or login.right:
            return
        number = int(login.time_s // self.window_s)
        for user in (0, login.account.tag):
            key = login.host.address, user * self.windows + number % self.windows
            slot, tried = self._tried.get(key, (-1, set()))
            if slot != number:
                tried = set()
            tried.add((login.account.tag, login.secret))
            self._tried[key] = number, tried


PEERS = (HourlyScan, ScanWithNetworks, Fail2ban, Fail2banIncrement, Blacklistd, Sshguard, Weakforced)
