# SPDX-License-Identifier: ISC
"""
A farm of mail servers: real daemons, each in a network of its own with its own kernel tables, and one store.

Each node has a wire to the store's network and to nothing else. What runs in a network runs as root, with its files in a
folder of its own.
"""

import contextlib
import itertools
import json
import math
import os
import signal
import subprocess
import sys
from ipaddress import ip_network
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from filter_ban.client import ClientKey
from filter_ban.ledger import open_reader
from postfix_policy import Dunno
from postfix_policy.testing import FakeSession, FakeSmtpd
from tests.filter_ban.daemon.process import Daemon, Dovecot, Smtpd
from tests.real.namespaces import NetworkNamespace, children_of
from tests.real.polling import wait_until
from tests.real.store import PORT, Store, StoreProgram

STORE: Final = "198.18.0.1"  # RFC 2544: for tests of networks
URL: Final = f"redis://{STORE}:{PORT}"
NODES: Final = 5
SHARDS: Final = 4  # as configured where nothing is
POLICY_PORT: Final = 10040
DOVECOT_PORT: Final = 10041
AGREE_S: Final = 20.0
_TABLE: Final = ("inet", "filter_ban")
_OF_A_BAN: Final = (
    "client",
    "start",
    "end",
    "rule",
    "reason",
    "offence",
    "strikes",
    "reference",
    "firewall",
)
_OF_A_STRIKE: Final = ("time", "kind", "weight", "service")
_CLOCK: Final = """
import time

_time, _localtime, _gmtime = time.time, time.localtime, time.gmtime
time.time = lambda: _time() + {ahead_s}
time.time_ns = lambda: int(time.time() * 1e9)
time.localtime = lambda time_s=None: _localtime(time.time() if time_s is None else time_s)
time.gmtime = lambda time_s=None: _gmtime(time.time() if time_s is None else time_s)
"""


class _Smtpd(Smtpd):
    """An smtpd on a machine whose clock is *ahead_s* ahead of ours."""

    def __init__(self, daemon: Daemon, ahead_s: float) -> None:
        self.ahead_s = ahead_s
        super().__init__(daemon)

    def say(self, *lines: str) -> None:
        """Send lines; reports and requests have the time of that machine."""
        super().say(*map(self._stamped, lines))

    def _stamped(self, line: str) -> str:
        if not line.startswith(("report|", "filter|")):
            return line
        kind, version, time_s, rest = line.split("|", 3)
        return f"{kind}|{version}|{float(time_s) + self.ahead_s:.6f}|{rest}"


class Node(Daemon):
    """
    A daemon with policy service, Dovecot service, nftables and cluster.

    Args:
        folder: For what it owns; made here.
        name: Of the node.
        network: Where it runs.
        cluster: More lines of the table [cluster].
        never: Who is never banned here.
        passwords: Whether a Dovecot may ask.
        ahead_s: What the clock is ahead of ours, for all programs that are written in Python.

    """

    def __init__(
        self,
        folder: Path,
        name: str,
        network: NetworkNamespace,
        *,
        cluster: str = "",
        never: tuple[str, ...] = (),
        passwords: bool = False,
        ahead_s: float = 0.0,
    ) -> None:
        folder.mkdir(parents=True)
        self.name = name
        self.network = network
        self.wire = ""  # the store's end
        self.ahead_s = ahead_s
        self._never = never
        dovecot = f'[dovecot]\nlisten = ["127.0.0.1:{DOVECOT_PORT}"]\n' if passwords else ""
        super().__init__(
            folder,
            '[firewall]\nbackend = "nftables"\n'
            f'[postfix]\nlisten = ["127.0.0.1:{POLICY_PORT}", "unix:{folder}/policy"]\n'
            f'{dovecot}[cluster]\nnode = "{name}"\n{cluster}',
        )
        self._guesses = itertools.count(1)
        self._smtpd: _Smtpd | None = None

    def configure(self, settings: str) -> None:
        """Write the configuration, with those who are never banned."""
        super().configure(settings)
        text = self.config.read_text()
        self.config.write_text(f"{text}networks = {json.dumps(self._never)}\n")

    def _environment(self) -> dict[str, str]:
        environment = super()._environment()
        if self.ahead_s:  # the interpreter runs it before anything else, in each of its processes
            (self.folder / "hidden" / "sitecustomize.py").write_text(_CLOCK.format(ahead_s=self.ahead_s))
        return environment

    def start(self) -> "Node":
        """
        Start it in its network, and return when it answers.

        Raises:
            RuntimeError: it does not; the text has its log.

        """
        self._smtpd = None
        try:
            with self.network.entered():
                super().start()
        except AssertionError as error:
            raise RuntimeError(f"{error}:\n{self.log.read_text()[-2000:]}") from None
        return self

    def pid_of(self, module: str) -> int:
        """
        Return the process id of the part that runs *module*.

        Raises:
            LookupError: there is none now.

        """
        waiting = [self.pid]
        while waiting:
            pid = waiting.pop()
            if module.encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
                return pid
            waiting += children_of(pid)
        raise LookupError(module)

    def kill_part(self, module: str) -> None:
        """End the part that runs *module*, as the kernel does when memory is short."""
        os.kill(self.pid_of(module), signal.SIGKILL)
        self._smtpd = None

    def close(self) -> None:
        """End it, and its peers."""
        try:
            self.kill()
        finally:
            with contextlib.suppress(OSError):  # what an smtpd has not sent yet
                self.peers.close()

    # --- what mail servers do here

    def fail(self, client: str, times: int = 1, *, ago_s: float = 0.0) -> None:
        """Let *client* fail to log in by way of smtpd, each time with another name and password."""
        for _ in range(times):
            guess = f"{self.name}{next(self._guesses)}"
            self.login(client, f"{guess}@example.org", guess, "fail", ago_s=ago_s)

    def login(self, client: str, user: str, secret: str, result: str = "pass", *, ago_s: float = 0.0) -> None:
        """Let *client* try to log in by way of smtpd; *ago_s*: so long ago, and only now it is told."""
        if self._smtpd is None:
            self._smtpd = _Smtpd(self, self.ahead_s)
        self._smtpd.ahead_s = self.ahead_s - ago_s
        session, decision = self._smtpd.connect(client)
        if decision == "proceed":
            self._smtpd.login(session, f"AGEA{secret}", user, result)
        self._smtpd.report("link-disconnect", session)

    def fail_imap(self, client: str) -> None:
        """Let *client* fail to log in by way of Dovecot."""
        with self.network.entered():
            Dovecot(DOVECOT_PORT).report(client, f"{self.name}{next(self._guesses)}@example.org")

    def refuses(self, client: str) -> bool:
        """Return whether Postfix is told to refuse *client*."""
        with FakeSmtpd(f"{self.folder}/policy") as smtpd:
            return not isinstance(smtpd.ask(FakeSession(client).connect()), Dunno)

    def run(self, *arguments: str, check: bool = True) -> str:
        """Return what a command of the operator prints; *check*: it must succeed."""
        argv = [sys.executable, "-m", "filter_ban", *arguments, "--config", str(self.config)]
        with self.network.entered():
            done = subprocess.run(
                argv, env=self._environment(), capture_output=True, text=True, timeout=20, check=check
            )
        return done.stdout

    # --- what is known here

    def known_bans(self) -> list[tuple[Any, ...]]:
        """Return its bans, as far as nodes can agree on them."""
        return sorted(tuple(ban[fact] for fact in _OF_A_BAN) for ban in self.bans().values())

    def known_strikes(self, client: str) -> tuple[float, list[tuple[Any, ...]]]:
        """Return what the strikes of *client* weigh, and the strikes, as far as nodes can agree on them."""
        (known,) = self.ask("show", client=client)
        return known["strikes"], sorted(
            tuple(event[fact] for fact in _OF_A_STRIKE) for event in known["events"]
        )

    def all_strikes(self) -> set[tuple[ClientKey, float, int, float]]:
        """Return client, time, tag of the user and weight of each strike in its ledger."""
        self.ask("flush")
        with open_reader(self.ledger) as ledger:
            return {
                (strike.client, strike.time_s, strike.user_tag, strike.weight)
                for strike in ledger.strikes_since(0)
            }

    def kernel(self) -> set[str]:
        """Return the clients that the kernel drops."""
        return set(self.kernel_left_s())

    def kernel_left_s(self) -> dict[str, float]:
        """Return the clients that the kernel drops, and for how long still; for ever is infinite."""
        argv = ["nft", "--json", "list", "table", *_TABLE]
        with self.network.entered():
            listed = subprocess.run(argv, capture_output=True, timeout=20, check=False)
        if listed.returncode:  # there is no table yet
            return {}
        sets = (part["set"] for part in json.loads(listed.stdout)["nftables"] if "set" in part)
        elements = [element["elem"] for one in sets for element in one.get("elem", ())]
        return {element["val"]: element.get("expires", math.inf) for element in elements}

    def wait_until_banned(self, *clients: str) -> None:
        """Wait until it refuses *clients*, and its kernel drops them."""
        wait_until(
            lambda: all(map(self.refuses, clients)), f"{self.name} refuses {', '.join(clients)}", AGREE_S
        )
        wait_until(
            lambda: self.kernel() >= set(map(_entry, clients)),
            f"the kernel of {self.name} drops {', '.join(clients)}",
            AGREE_S,
        )

    def cluster(self) -> dict[str, Any]:
        """Return what status says of the cluster."""
        told: dict[str, Any] = self.status()["cluster"]
        return told

    def is_current(self) -> bool:
        """Return whether it has all that the store has, and the store all that it has to say."""
        told = self.cluster()
        return bool(told["current"] and not told["buffered"] and all(store["ok"] for store in told["stores"]))


class Farm:
    """
    The nodes, their wires and the store; closed at the end, with all that runs.

    Args:
        folder: For all of it.
        program: What runs as the store.
        options: Of the store.
        login: See :class:`Store`.

    """

    def __init__(
        self,
        folder: Path,
        program: StoreProgram,
        *,
        options: dict[str, str] | None = None,
        login: tuple[str, str] | None = None,
    ) -> None:
        self.nodes: list[Node] = []
        self._clients = itertools.count()
        self._numbers = itertools.count(1)
        self._folder = folder
        self._stack = contextlib.ExitStack()
        folder.mkdir(parents=True, exist_ok=True)
        self.secret = b"what all nodes of the farm share"
        self.key_file = folder / "key"
        self.key_file.write_bytes(self.secret)
        self.key_file.chmod(0o600)
        try:
            self.network = self._stack.enter_context(NetworkNamespace())
            _ip(self.network, "link set lo up", f"address add {STORE}/32 dev lo")
            self.store = Store(program, folder / "store", self.network, options=options, login=login)
            self._stack.enter_context(self.store.start())
        except BaseException:
            self._stack.close()
            raise

    def add(self, name: str = "", **arguments: Any) -> Node:
        """Make a node, the next one where it has no *name*, with a wire; *arguments* are those of a Node."""
        number = next(self._numbers)
        name = name or f"mx{number}"
        network = self._stack.enter_context(NetworkNamespace())
        wire = f"wire{number}"
        _ip(self.network, f"link add {wire} type veth peer name mx0 netns {network.pid}")
        _ip(self.network, f"address add 10.98.{number}.1/30 dev {wire}", f"link set {wire} up")
        _ip(
            network,
            "link set lo up",
            f"address add 10.98.{number}.2/30 dev mx0",
            "link set mx0 up",
            f"route add {STORE} via 10.98.{number}.1",
        )
        given = arguments.pop("cluster", "")
        stores = "" if "stores" in given else f'stores = ["{URL}"]\n'
        node = Node(
            self._folder / f"node{number}",
            name,
            network,
            cluster=f'{stores}key_file = "{self.key_file}"\n{given}',
            **arguments,
        )
        node.wire = wire
        self._stack.callback(node.close)
        self.nodes.append(node)
        return node

    def start(self, count: int = NODES, cluster: str = "") -> Self:
        """Make so many nodes with the lines *cluster*, and start them; return when all have what the others have."""
        for number in range(count):
            self.add(passwords=number == 1, cluster=cluster).start()
        self.wait_until_current()
        return self

    def remove(self, node: Node) -> None:
        """End *node* for good."""
        node.close()
        self.nodes.remove(node)

    def client(self) -> str:
        """Return a client that nobody has seen, in a network of its own."""
        number = next(self._clients)
        return f"10.{128 + (number >> 8)}.{number & 255}.9"

    def cut(self, node: Node) -> None:
        """Cut the wire of *node*: packets are lost, and nobody is told."""
        _ip(self.network, f"link set {node.wire} down")

    def mend(self, node: Node) -> None:
        """Mend the wire of *node*."""
        _ip(self.network, f"link set {node.wire} up")

    def wait_until_current(self) -> None:
        """Wait until each node has all that was said, and nothing more to say."""
        for node in self.nodes:
            wait_until(node.is_current, f"{node.name} is current", AGREE_S)

    def wait_until_banned(self, *clients: str) -> None:
        """Wait until each node refuses *clients*, and each kernel drops them."""
        for node in self.nodes:
            node.wait_until_banned(*clients)

    def wait_until_agreed(self) -> None:
        """Wait until all nodes have the same bans and the same strikes."""
        wait_until(lambda: _same(node.known_bans() for node in self.nodes), "all have the same bans", AGREE_S)
        wait_until(
            lambda: _same(node.all_strikes() for node in self.nodes), "all have the same strikes", AGREE_S
        )

    def close(self) -> None:
        """End everything."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _entry(client: str) -> str:
    """Return how the kernel lists an address: of IPv6 all addresses of a site are one client."""
    return str(ip_network(f"{client}/64" if ":" in client else client, strict=False).network_address)


def _same(values: Any) -> bool:
    first, *others = values
    return all(other == first for other in others)


def _ip(network: NetworkNamespace, *commands: str) -> None:
    """Run commands of iproute2 in a network."""
    with network.entered():
        done = subprocess.run(
            ["ip", "-batch", "-"],
            input="\n".join(commands),
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    if done.returncode:
        raise RuntimeError(f"{commands}: {done.stderr.strip()}")
