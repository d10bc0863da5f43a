# SPDX-License-Identifier: ISC
"""
Nothing that is said to the enforcer, and nothing in the configuration, becomes an argument that it should not be.

The measure: each backend is first asked for harmless entries of every width. Whatever the enforcer hears, the words of
its commands are words of that, addresses in canonical form, or numbers.
"""

import contextlib
import ipaddress
import json
import re
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cache
from typing import Any
from unittest.mock import patch

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from filter_ban.channel import MessageReader, encode
from filter_ban.client import ClientKey, make_key, pack_address, parse_network
from filter_ban.config import ConfigError, parse_config
from filter_ban.daemon.enforcement import Enforcer
from filter_ban.enforcer.firewall import Firewall
from filter_ban.enforcer.supervisor import Supervisor
from filter_ban.firewall import (
    BACKENDS,
    Backend,
    Change,
    Check,
    Command,
    DesiredTable,
    FirewallError,
    Options,
    make_backend,
)
from filter_ban.firewall.base import Net
from filter_ban.model import Ban

HELPER = "/libexec/blocklistd-helper"
CHOICES = [
    *((name, "blocklistd") for name in BACKENDS),
    *([("helper", "lines")] if "helper" in BACKENDS else []),
]
NOW_S = int(time.time())
BOT = "198.51.100.66"


# --- what is run


def agreeable(command: Command) -> Command:
    """Return *command*, whose output is heeded and never wrong."""

    def heed(output: bytes) -> None:
        if command.heed is not None:
            with contextlib.suppress(FirewallError):
                command.heed(output)

    return attrs.evolve(command, heed=heed)


class Agreeable:
    """A backend whose tool works, whatever it prints: the table is there and empty, and nothing is set up."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def setup_commands(self, nets: Collection[Net]) -> list[Command]:
        """Return the backend's."""
        return [*map(agreeable, self._backend.setup_commands(nets))]

    def change_commands(self, change: Change) -> list[Command]:
        """Return the backend's."""
        return [*map(agreeable, self._backend.change_commands(change))]

    def parse_check(self, _outputs: Sequence[bytes]) -> Check:
        """Return that nothing is ready."""
        return Check(exists=True, ready=frozenset())

    def parse_list(self, _outputs: Sequence[bytes]) -> Mapping[ClientKey, int]:
        """Return no entry."""
        return {}


class Recorded:
    """In the place of a backend's worker: it runs everything at once, and nothing at all."""

    commands: list[Command]

    def __init__(self, backend: Backend, *_: Any) -> None:
        self.name = backend.name
        self.table = DesiredTable(Agreeable(backend), self.run)
        self.commands = []

    def run(self, command: Command) -> bytes:
        """Keep *command*; a helper prints an id, other tools have nothing to say."""
        self.commands.append(command)
        return b"OK 1f\n" if command.argv[1:2] == ("add",) else b""

    @property
    def clients(self) -> Collection[ClientKey]:
        """The clients that should have an entry."""
        return self.table.clients

    def replace(self, ends: Mapping[ClientKey, int | None]) -> None:
        """Want exactly these."""
        self.table.replace(ends)
        self.table.sync(time.time())

    def change(self, adds: Mapping[ClientKey, int | None], removes: Iterable[ClientKey]) -> None:
        """Want some more and some less."""
        self.table.apply(adds, removes, time.time())

    def ask_for_sync(self, _number: int) -> None:
        """Compare."""
        self.table.sync(time.time())


def words_of(commands: Iterable[Command]) -> set[str]:
    """Return the words of arguments and input, without the punctuation between them."""
    return {
        word
        for command in commands
        for text in (*command.argv, command.stdin.decode("ascii"))
        for word in re.split(r"[\s{},;@()]+", text)
    }


def is_plain(word: str) -> bool:
    """Return whether *word* is a number, with a unit or not, an address or network in canonical form, or a set of ours."""
    if re.fullmatch(r"\d{1,12}s?|net[46]_\d{1,3}", word):
        return True
    address, _, prefix = word.partition("/")
    try:
        return re.fullmatch(r"\d{0,3}", prefix) is not None and str(ipaddress.ip_address(address)) == address
    except ValueError:
        return False


@cache
def vocabulary(name: str, protocol: str, *, with_options: bool = False) -> frozenset[str]:
    """Return the words that harmless entries of every width that is allowed, and options, bring about."""
    options = Options(helper=HELPER, helper_protocol=protocol)
    if with_options:
        anchor = "inner" if name == "pf" else ""
        options = attrs.evolve(options, hook="input", action="reject", table="other", anchor=anchor)
    networks = [
        make_key(pack_address(address), prefix)
        for address, prefixes in (("198.51.100.0", range(24, 33)), ("2001:db8::", range(48, 129)))
        for prefix in prefixes
    ]
    worker = Recorded(make_backend(name, options))
    for ends in (dict.fromkeys(networks, NOW_S + 3600), dict.fromkeys(networks)):
        worker.change(ends, [])
        worker.replace(ends)
        worker.change({}, networks)
        for network in networks:  # tools may be called otherwise for one
            worker.change({network: ends[network]}, [])
            worker.change({}, [network])
    return frozenset(word for word in words_of(worker.commands) if not is_plain(word))


# --- the enforcer, and an engine that says anything


class HostileEngine:
    """In the place of the engine's process: what it says is bytes of ours."""

    pid = 1

    def __init__(self, said: bytes) -> None:
        self._said = said
        self.killed = False
        self.told: list[tuple[str, Any]] = []

    def hear(self) -> list[tuple[str, Any]]:
        """Return the messages that are in the bytes."""
        return MessageReader().receive_data(self._said)

    def tell(self, verb: str, argument: Any = None) -> None:
        """Keep what the enforcer answers, if it can be sent."""
        encode(verb, argument)
        self.told.append((verb, argument))

    def flush(self) -> None:
        """Send nothing."""

    def kill(self) -> None:
        """Be ended."""
        self.killed = True


@attrs.frozen
class Heard:
    """What the enforcer did."""

    engine: HostileEngine
    worker: Recorded

    def failed(self) -> list[tuple[str, str]]:
        """Return what it refused, and why."""
        return [
            (network, why)
            for verb, argument in self.engine.told
            if verb == "outcome"
            for network, why in argument["failed"]
        ]


def enforcing(settings: str) -> tuple[Firewall, list[Recorded]]:
    """Return the enforcer's side under these settings of ``[firewall]``, and its backends."""
    workers: list[Recorded] = []

    def make_worker(*arguments: Any) -> Recorded:
        workers.append(Recorded(*arguments))
        return workers[-1]

    with patch("filter_ban.enforcer.firewall.TableWorker", make_worker):
        firewall = Firewall(
            parse_config(f"[firewall]\n{settings}"), lambda _command: b"", lambda _argv: "inet 203.0.113.1/24"
        )
    return firewall, workers


def hear(said: bytes, choice: tuple[str, str] = ("pf", "blocklistd")) -> Heard:
    """Let an enforcer with one backend hear *said*."""
    name, protocol = choice
    firewall, (worker,) = enforcing(
        f'backend = "{name}"\nhelper = "{HELPER}"\nhelper_protocol = "{protocol}"\n'
    )
    engine = HostileEngine(said)
    supervisor = Supervisor({}, lambda: engine, firewall, dict)  # type: ignore[arg-type,return-value]
    try:
        supervisor._begin(0.0)
        supervisor._exchange(engine)  # type: ignore[arg-type]
    finally:
        supervisor._wake.close()
        supervisor._woken.close()
    assert engine.killed == (supervisor._engine is None)
    return Heard(engine, worker)


def assert_harmless(heard: Heard, choice: tuple[str, str]) -> None:
    """Fail if a command has a word that is not the backend's own, an address or a number."""
    strange = [word for word in words_of(heard.worker.commands) - vocabulary(*choice) if not is_plain(word)]
    assert not strange
    assert not any("\0" in word or "\n" in word for command in heard.worker.commands for word in command.argv)


# --- hostile messages

NETWORKS = [BOT, "198.51.100.0/24", "2001:db8::/64", "2001:db8::7", "203.0.113.1", "10.0.0.0/8", "::/0"]
HOSTILE = [
    "",
    " ",
    "-f",
    "--",
    "-",
    "198.51.100.66\nflush ruleset",
    "198.51.100.66 -f /etc/passwd",
    "198.51.100.66; reboot",
    "198.51.100.66\0",
    "$(reboot)",
    "`id`",
    "../../etc",
    "198.51.100.66/32 }; flush ruleset; {",
    "198.51.100.66/+32",
    "198.51.100.66/ 32",
    "198.51.100.66/032",
    "198.51.100.066",
    "0x7f.1",
    "1234567890",
    "\uff11\uff19\uff18.51.100.66",
    "198.51.100.66/\uff13\uff12",
    "2001:db8::7%eth0; reboot",
    "2001:db8::7%\n-f",
    "[2001:db8::8]",
    "::ffff:198.51.100.66",
    "::ffff:0:0/96",
    "\ud800",
    "\u202e198.51.100.66",
    "all",
    "any",
    "default",
    "localhost",
    "x" * 2000,
]
TEXTS = st.one_of(
    st.sampled_from(NETWORKS),
    st.sampled_from(HOSTILE),
    st.builds(str.__add__, st.sampled_from(NETWORKS), st.sampled_from(HOSTILE)),
    st.text(max_size=50),
)
NUMBERS = st.one_of(
    st.just(NOW_S + 3600), st.integers(), st.sampled_from([10**400, -(10**400), 2**63, 2**64]), st.floats()
)
ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=4)),
    max_leaves=12,
)


def mostly(usual: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return *usual*, and now and then anything else."""
    return st.integers(0, 9).flatmap(lambda roll: ANYTHING if roll == 0 else usual)


ENTRIES = mostly(
    st.lists(mostly(st.tuples(mostly(TEXTS), mostly(st.one_of(st.none(), NUMBERS)))), max_size=4)
)
MESSAGES = mostly(
    st.one_of(
        st.tuples(
            st.just("replace"),
            mostly(st.fixed_dictionaries({"entries": ENTRIES, "more": mostly(st.booleans())})),
        ),
        st.tuples(
            st.just("change"),
            mostly(
                st.fixed_dictionaries(
                    {
                        "add": ENTRIES,
                        "remove": mostly(st.lists(mostly(TEXTS), max_size=4)),
                        "by_rule": mostly(st.booleans()),
                    }
                )
            ),
        ),
        st.tuples(st.just("sync"), ANYTHING),
        st.tuples(TEXTS, ANYTHING),
    )
)
STREAMS = st.lists(MESSAGES, min_size=1, max_size=4).map(
    lambda messages: b"".join(json.dumps(message).encode() + b"\n" for message in messages)
)


def replaced(stream: bytes, at: int, by: bytes) -> bytes:
    """Return *stream* with some of its bytes exchanged."""
    at %= len(stream)
    return stream[:at] + by + stream[at + len(by) :]


BROKEN = st.builds(replaced, STREAMS, st.integers(0, 10**6), st.binary(max_size=8))


def change(*adds: object, remove: object = ()) -> bytes:
    """Return a message that adds."""
    return encode("change", {"add": [*adds], "remove": remove, "by_rule": False})


@pytest.mark.parametrize("choice", CHOICES, ids="-".join)
@given(said=st.one_of(STREAMS, STREAMS, STREAMS, BROKEN))
@example(said=b"[" * 5000 + b"\n")
@example(said=b'["sync",' + b"[" * 700 + b"]" * 700 + b"]\n")
@example(said=change([BOT, 10**400]))
@example(said=change([7, None]))
@example(said=change(remove=[None]))
@example(said=change(remove=["10.0.0.0/8"]))
def test_no_command_has_a_strange_word(choice: tuple[str, str], said: bytes) -> None:
    """Whatever an engine says, the enforcer goes on, and its commands are its own words, addresses and numbers."""
    heard = hear(said, choice)

    assert_harmless(heard, choice)
    for _, why in heard.failed():
        assert why.isprintable()
        assert 0 < len(why) < 200


@pytest.mark.parametrize("choice", CHOICES, ids="-".join)
def test_every_backend_has_words(choice: tuple[str, str]) -> None:
    """The measure measures: what is harmless runs, and a word of another's making is strange to it."""
    heard = hear(change([BOT, None], ["2001:db8::/64", NOW_S + 3600]), choice)
    assert_harmless(heard, choice)
    words = words_of(heard.worker.commands)
    assert any(word.partition("/")[0] == BOT for word in words)

    heard.worker.commands.append(Command((heard.worker.commands[0].argv[0], "reboot")))
    with pytest.raises(AssertionError, match="reboot"):
        assert_harmless(heard, choice)


@pytest.mark.parametrize(
    "said",
    [
        b"\n",
        b"null\n",
        b'["change"]\n',
        b'["change",null,null]\n',
        b'[["change"],null]\n',
        b'["change",null]\n',
        b'["change",[]]\n',
        b'["change",{}]\n',
        b'["replace",{"entries":[]}]\n',
        b'["reboot",null]\n',
        b"\xff\n",
        b"[" * 5000 + b"\n",
        encode("sync", {"a": 1}),
        encode("sync", "7"),
        encode("sync", None),
        change(7),
        change("ab"),
        change([BOT]),
        change([BOT, None, None]),
        change([7, None]),
        change([None, None]),
        change([[BOT], None]),
        change(["192.0.2.7\n-f", None]),
        change(["\ud800", None]),
        change(["127.0.0.1%eth0", None]),
        change(["::ffff:0:0/96", None]),
        change(remove=BOT),
        change(remove=[7]),
        change(remove=[None]),
        change(remove=[[BOT]]),
        change(remove=["all"]),
    ],
)
def test_nonsense_ends_the_engine(said: bytes) -> None:
    """An engine that breaks the rules of the channel is started anew; nothing is run for it."""
    heard = hear(said)

    assert heard.engine.killed
    assert not heard.worker.commands


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ([BOT, "soon"], "its end is no number of seconds"),
        ([BOT, True], "its end is no number of seconds"),
        ([BOT, NOW_S + 3600.5], "its end is no number of seconds"),
        ([BOT, float("nan")], "its end is no number of seconds"),
        ([BOT, [NOW_S + 3600]], "its end is no number of seconds"),
        ([BOT, 10**400], "its end is more than 100 years away"),
        ([BOT, -(10**400)], "its end has passed"),
        (["0.0.0.0/0", None], "wider than /24"),
        (["2001:db8::/32", None], "wider than /48"),
        (["203.0.113.1", None], "shares addresses with 203.0.113.1, which is never banned"),
        (["::1%eth0", None], "shares addresses with ::1, which is never banned"),
    ],
)
def test_what_must_not_be_is_refused(entry: list[Any], why: str) -> None:
    """The reason is told for each such entry; its neighbour in the same message gets in."""
    heard = hear(change(entry, ["198.51.100.67", None]))

    assert not heard.engine.killed
    assert [text for _, text in heard.failed()] == [why]
    assert {*heard.worker.clients} == {parse_network("198.51.100.67")}


def test_a_zone_or_brackets_are_dropped() -> None:
    """What is around an address does not reach a command."""
    heard = hear(change(["[2001:db8::7%$(reboot)\n-f]", None]))

    assert {*heard.worker.clients} == {parse_network("2001:db8::7")}
    assert_harmless(heard, ("pf", "blocklistd"))


# --- texts of clients


@given(reason=st.one_of(st.sampled_from(HOSTILE), st.text()), rule=st.sampled_from(HOSTILE))
def test_no_text_of_a_client_is_said_to_the_enforcer(reason: str, rule: str) -> None:
    """Of a ban only network, end and whether an operator asked for it go to the enforcer."""
    messages: list[bytes] = []
    enforcer = Enforcer(messages.append, backends=["pf"])
    ban = Ban(client=parse_network(BOT), start_s=1, end_s=NOW_S + 3600, rule=rule, reason=reason)
    enforcer.push([ban])

    (said,) = messages
    verb, argument = json.loads(said)
    assert verb == "change"
    assert argument == {"add": [[BOT, NOW_S + 3600]], "remove": [], "by_rule": True}


# --- the configuration

KEYS = ("backend", "table", "anchor", "hook", "action", "helper", "helper_protocol")
SAFE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]*")
VALUES = [
    *HOSTILE[2:],
    "a b",
    "a;b",
    "a'b",
    "-t",
    "/",
    "//",
    "a/-f",
    "/libexec/-f",
    "/bin/sh -c reboot",
    "/bin/\nsh",
    "a" * 31,
    "a" * 32,
    "A_b-c",
    "é",
]


SETTINGS = st.one_of(st.sampled_from(VALUES), st.text(max_size=40).filter(lambda text: text not in BACKENDS))


def toml(text: str) -> str:
    """Return *text* as a string of TOML."""
    return json.dumps(text).replace("\x7f", "\\u007f")


def commands_of(settings: str) -> list[Command]:
    """Return commands that a configuration leads to, in the enforcer's way."""
    firewall, workers = enforcing(settings)
    firewall.change([[BOT, None], ["2001:db8::/64", NOW_S + 3600]], [], by_rule=False)
    return [command for worker in workers for command in worker.commands]


def assert_refused_or_harmless(
    build: Callable[[], list[Command]], value: str, choice: tuple[str, str]
) -> None:
    """Fail unless *build* refuses, or each new word of its commands is a safe one."""
    try:
        commands = build()
    except (ConfigError, ValueError):
        return
    known = vocabulary(*choice) | vocabulary(*choice, with_options=True)
    for command in commands:
        program, *words = command.argv
        assert program in known or program == value
        for word in words_of([attrs.evolve(command, argv=tuple(words))]) - known:
            assert is_plain(word) or SAFE.fullmatch(word), word


@pytest.mark.parametrize("choice", CHOICES, ids="-".join)
@given(key=st.sampled_from(KEYS), value=SETTINGS)
def test_no_setting_is_a_strange_word(choice: tuple[str, str], key: str, value: str) -> None:
    """A text of the configuration is refused, or it is a name in the place of a name."""
    name, protocol = choice
    settings = {"backend": name, "helper": HELPER, "helper_protocol": protocol} | {key: value}
    assert_refused_or_harmless(
        lambda: commands_of("".join(f"{word} = {toml(text)}\n" for word, text in settings.items())),
        value,
        choice,
    )


@pytest.mark.parametrize("choice", CHOICES, ids="-".join)
@given(key=st.sampled_from(("table", "anchor", "helper")), value=st.sampled_from(VALUES))
def test_no_option_is_a_strange_word(choice: tuple[str, str], key: str, value: str) -> None:
    """A backend looks at its options itself, whoever has let them pass."""
    name, protocol = choice
    settings: dict[str, Any] = {"helper": HELPER, "helper_protocol": protocol} | {key: value}
    options = Options(**settings)

    def build() -> list[Command]:
        worker = Recorded(make_backend(name, options))
        worker.change(dict.fromkeys([parse_network(BOT), parse_network("2001:db8::/64")]), [])
        return worker.commands

    assert_refused_or_harmless(build, value, choice)
