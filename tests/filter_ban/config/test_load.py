# SPDX-License-Identifier: ISC
"""The configuration file: what it may say, and what it is told when it is wrong."""

from pathlib import Path
from typing import Any

import attrs
import pytest

from filter_ban.client import parse_network
from filter_ban.config import Config, ConfigError, load_config, parse_config
from filter_ban.config.values import duration_text, parse_duration, store_url
from filter_ban.model import Mode

EVERYTHING = """
mode = "refuse"
[limits]
windows = ["3 in 1h30m"]
ipv4_prefix = 24
ipv6_prefix = 56
max_clients = 5000
relapse = 2
[weights]
auth_fail = 2
auth_abort = 0.5
no_tls = 0
unknown_user = 1
no_auth = 0.2
relay_attempt = 2
bad_helo = 5
[ban]
ladder = ["1m", 3600, "forever"]
forget = "1w"
[never]
networks = ["192.0.2.0/24", "2001:db8::/32"]
own_addresses = false
widest = { ipv4 = 16, ipv6 = 32 }
[reply]
banned = "550 5.7.1 {client} go away"
[firewall]
backend = ["pf", "helper"]
ports = [25, 465, 587]
hook = "input"
action = "reject"
max_entries = 1000
max_per_minute = 10
helper = "/libexec/blocklistd-helper"
helper_protocol = "lines"
table = "bots"
anchor = "filter-ban"
[ledger]
path = "/tmp/ledger.sqlite3"
[daemon]
socket_dir = "/tmp/sockets"
user = ""
relay_users = []
spawn = false
[relay]
on_trouble = "421 4.3.0 try again"
deadline_ms = 500
[opensmtpd]
smtps_ports = [465, 8465]
submission_ports = [587]
[postfix]
listen = ["[::1]:10040", "unix:/run/filter-ban/policy.sock"]
submission_ports = [587]
banned = "REJECT {client} refused until {until}, reference {ref}"
[dovecot]
listen = ["127.0.0.1:10041"]
secret_file = "/etc/filter-ban.secret"
[helo]
bad = ["ylmf-pc"]
[users]
domains = ["example.org"]
traps = ["admin"]
[guard]
remember = "10d"
familiar = 0.5
pace = 30
[siege]
clients = 30
window = "1h"
unresolved = 5
patience = "5m"
[widen]
members = 10
strikes = 50
window = "1h"
length = "forever"
[[override]]
networks = ["198.51.100.0/24"]
services = ["dovecot imap"]
factor = 0.5
windows = ["50 in 1h"]
ladder = ["1h", "1d"]
[decoy]
listen = ["192.0.2.1:2525"]
[blocklistd]
socket = "/var/run/blocklistd.sock"
users = ["root"]
[record]
path = "/tmp/signals"
[hooks]
on_ban = "https://example.org/ban"
on_lift = ["/usr/local/bin/lifted", "--quiet"]
timeout = "5s"
at_once = 2
[metrics]
listen = ["127.0.0.1:9124"]
[geo]
database = "/var/lib/GeoLite2-Country.mmdb"
[cluster]
stores = ["rediss://[2001:db8::1]:6380/2", "redis+sentinel://192.0.2.1:26379,192.0.2.2/mail"]
node = "mx1.example.org"
prefix = "mail:bans"
key_file = "/etc/filter-ban.key"
user = "filter-ban"
password_file = "/etc/filter-ban.password"
ca_file = "/etc/ssl/ca.pem"
certificate_file = "/etc/filter-ban.node.crt"
certificate_key_file = "/etc/filter-ban.node.key"
sentinel_user = "asker"
sentinel_password_file = "/etc/filter-ban.sentinel-password"
shards = 8
role = "listen-only"
trust = ["strikes"]
secret_bits = 0
buffer = 5000
max_mb = 64
snapshot = "1m"
[log]
level = "debug"
form = "json"
"""


def test_an_empty_file_means_the_defaults() -> None:
    """Everything is optional, and the defaults are those of the manual."""
    config = parse_config("")

    assert config == Config()
    assert [limit.text for limit in config.limits.windows] == ["5 in 10m", "10 in 24h", "15 in 7d"]
    assert config.ban.ladder == (900, 7200, 86_400, 604_800)
    assert (config.mode, config.firewall.backend) == (Mode.ENFORCE, ())
    assert (config.relay.deadline_ms, config.relay.on_trouble) == (1000, "proceed")


def test_every_key_can_be_set() -> None:
    """Each key of the schema takes a value other than its default."""
    config = parse_config(EVERYTHING)

    def same(left: Any, right: Any) -> list[str]:
        return [
            field.name
            for field in attrs.fields(type(left))
            if "table" not in field.metadata and getattr(left, field.name) == getattr(right, field.name)
        ]

    tables = [field.name for field in attrs.fields(Config) if "table" in field.metadata]
    assert same(config, Config()) == []
    assert {table: same(getattr(config, table), getattr(Config(), table)) for table in tables} == {
        name: [] for name in tables
    }
    assert config.never.networks == (parse_network("192.0.2.0/24"), parse_network("2001:db8::/32"))
    assert config.ban.ladder == (60, 3600, None)


@pytest.mark.parametrize(
    ("content", "faults"),
    [
        ("mode = 5", ['mode = 5: must be one of "watch", "refuse", "enforce"']),
        ("moed = 'watch'", ["moed: unknown key; did you mean mode?"]),
        ("[limts]\n", ["limts: unknown key; did you mean limits?"]),
        ("limits = 3", ["limits = 3: must be a table: [limits]"]),
        ("[limits]\nwindows = []", ["limits.windows = []: must be an array of at least 1"]),
        ("[limits]\nwindows = ['0 in 10m']", ["with 1 to 1000 strikes"]),
        ("[limits]\nwindows = ['5 in 10 m']", ["must be a duration such as"]),
        (
            "[limits]\nmax_clients = true",
            ["limits.max_clients = True: must be an integer from 1000 to 10000000"],
        ),
        ("[limits]\nipv4_prefix = 16", ["limits.ipv4_prefix = 16: is wider than never.widest.ipv4 = 24"]),
        ("[ban]\nladder = ['2h', '1h']", ["ban.ladder = [7200, 3600]: must not fall"]),
        ("[ban]\nladder = ['forever', '1h']", ["must not fall"]),
        ("[ban]\nforget = '10y'", ["must be a duration such as"]),
        ("[never]\nnetworks = ['192.0.2.1/24']", ["did you mean 192.0.2.0/24?"]),
        ("[never]\nnetworks = '192.0.2.1'", ["must be an array"]),
        (
            "[postfix]\nlisten = ['localhost:10040']",
            ["postfix.listen = ['localhost:10040']: must be \"ADDRESS:PORT\""],
        ),
        ("[postfix]\nlisten = ['127.0.0.1']", ["must be"]),
        ("[postfix]\nlisten = ['::1:10040']", ["must be"]),
        ("[postfix]\nlisten = ['[127.0.0.1]:10040']", ["must be"]),
        ("[postfix]\nlisten = ['127.0.0.1:70000']", ["must be"]),
        ("[postfix]\nlisten = ['unix:here']", ["must be"]),
        ("[postfix]\nlisten = ['unix:/" + "a" * 101 + "']", ["at most 100 bytes"]),
        ("[postfix]\nbanned = 'DUNNO'", ["a code 4xx or 5xx or REJECT, a blank, a text"]),
        ("[postfix]\nbanned = 'REJECT'", ["a code 4xx or 5xx or REJECT, a blank, a text"]),
        ("[dovecot]\nlisten = ['0.0.0.0:10041']", ["dovecot.listen = '0.0.0.0:10041': must be loopback"]),
        ("[dovecot]\nsecret_file = 'here'", ["dovecot.secret_file = 'here': must be an absolute path"]),
        ("[override]\nfactor = 2", ["override = {'factor': 2}: must be an array of tables: [[override]]"]),
        ("[[override]]\nfactor = -1", ["override[0].factor = -1: must be a number from 0 to 100"]),
        ("[[override]]\nfactr = 1", ["override[0].factr: unknown key; did you mean override[0].factor?"]),
        ("[guard]\nfamiliar = 2", ["guard.familiar = 2: must be a number from 0 to 1"]),
        ("[widen]\nmembers = 65", ["widen.members = 65: must be an integer from 0 to 64"]),
        ("[decoy]\nlisten = ['unix:/tmp/decoy']", ["decoy.listen = ['unix:/tmp/decoy']: must be"]),
        ("[helo]\nbad = 'User'", ["helo.bad = 'User': must be an array"]),
        ("[reply]\nbanned = '250 fine'", ["reply.banned = '250 fine': must be one line of printable ASCII"]),
        ("[firewall]\nbackend = 'ipchains'", ["firewall.backend = 'ipchains': must be one of"]),
        ("[firewall]\nbackend = ['pf', 'pf']", ["must not name a backend twice"]),
        ("[firewall]\nbackend = ['none', 'pf']", ['must not be "none" and something else']),
        ("[firewall]\nbackend = ['ufw', 'ipset']", ["they fill the same sets"]),
        ("[firewall]\nbackend = 'route'\nports = [25]", ["firewall.ports = [25]: must be empty"]),
        ("[firewall]\nbackend = 'helper'", ["firewall.helper = '': must be the program"]),
        ("[firewall]\nbackend = 'nftables'\nanchor = 'x'", ['only firewall.backend = "pf" has anchors']),
        ("[[override]]\nladder = ['2h', '1h']", ["override[0].ladder = [7200, 3600]: must not fall"]),
        ("[hooks]\non_ban = 'notify'", ["hooks.on_ban = 'notify': must be the absolute path"]),
        ("[hooks]\non_ban = ['https://example.org/', 'x']", ["must be the absolute path of a program"]),
        ('[hooks]\non_lift = "/a\\u0000b"', ["must be printable"]),
        ("[firewall]\nports = [0]", ["must be an integer from 1 to 65535"]),
        ("[firewall]\ntable = 'a; flush'", ["must be a name of letters"]),
        ("[ledger]\npath = 'here'", ["ledger.path = 'here': must be an absolute path"]),
        ("[relay]\non_trouble = 'reject'", ['must be "proceed" or a reply']),
        ("[daemon]\nuser = 'a b'", ["must be a user name or empty"]),
        (
            "[cluster]\nstores = ['redis://192.0.2.1']",
            ["cluster.key_file = '': is needed with cluster.stores"],
        ),
        (
            "[cluster]\nstores = ['unix:///a', 'unix:///b']\nshards = 1\nkey_file = '/k'",
            ["cluster.shards = 1: must be at least the number of cluster.stores, 2"],
        ),
        (
            "[cluster]\ncertificate_file = '/c'",
            ["cluster.certificate_file = '/c': needs its private key: cluster.certificate_key_file"],
        ),
        (
            "[cluster]\ncertificate_key_file = '/k'",
            [
                "cluster.certificate_key_file = '/k': needs the certificate whose key it is: cluster.certificate_file"
            ],
        ),
        ("[cluster]\ncertificate_file = 'c'", ["cluster.certificate_file = 'c': must be an absolute path"]),
        ("[cluster]\nnode = '-'", ["cluster.node = '-': must be a name of letters"]),
        ("[cluster]\nprefix = '*'", ["cluster.prefix = '*': must be 1 to 100 letters"]),
        ("[cluster]\ntrust = []", ["cluster.trust = []: must be an array of at least 1"]),
        ("[cluster]\nrole = 'both'", ["cluster.role = 'both': must be one of"]),
        ("= 3", ["syntax: "]),
        (
            "mode='x'\n[limits]\nipv6_prefix=5\n[relay]\ndeadline_ms=1",
            ["mode = ", "limits.ipv6_prefix = ", "relay.deadline_ms = "],
        ),
    ],
)
def test_every_fault_is_named(content: str, faults: list[str]) -> None:
    """A wrong file is refused with file, key, value and rule of everything that is wrong with it."""
    with pytest.raises(ConfigError) as caught:
        parse_config(content, "/etc/filter-ban.toml")

    lines = str(caught.value).splitlines()
    assert len(lines) == len(faults)
    for line, fault in zip(lines, faults, strict=True):
        assert line.startswith("/etc/filter-ban.toml: ")
        assert fault in line


def test_values_are_bounded_in_messages() -> None:
    """A hostile value is shown escaped and cut."""
    with pytest.raises(ConfigError) as caught:
        parse_config(f'mode = "{"x" * 5000}\\u001b[31m"')

    assert len(str(caught.value)) < 300
    assert "\x1b" not in str(caught.value)


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    """A missing file that was asked for is an error, a default one is not."""
    with pytest.raises(ConfigError, match="does not exist"):
        load_config(tmp_path / "none.toml")


def test_the_file_is_read(tmp_path: Path) -> None:
    """Its content comes back with the configuration, for the engine."""
    file = tmp_path / "filter-ban.toml"
    file.write_text('mode = "watch"\n')

    assert load_config(file) == (parse_config('mode = "watch"'), str(file), 'mode = "watch"\n')


@pytest.mark.parametrize(
    ("text", "seconds"), [("15m", 900), ("1h30m", 5400), ("7d", 604_800), ("2w", 1_209_600), ("90s", 90)]
)
def test_durations_read_and_show_the_same(text: str, seconds: int) -> None:
    """What is shown can be written into the file."""
    assert parse_duration(text) == seconds
    assert parse_duration(duration_text(seconds)) == seconds


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost",
        "redis://192.0.2.1:6379/15",
        "rediss://valkey.example.org:6380",
        "redis://[2001:db8::1]",
        "unix:///run/valkey/valkey.sock",
        "redis+sentinel://192.0.2.1:26379,192.0.2.2:26379/mymaster",
        "rediss+sentinel://[2001:db8::1]:26379/mymaster/3",
        "redis+cluster://192.0.2.1,192.0.2.2:7000",
        "rediss+cluster://a.example.org:7000",
    ],
)
def test_stores_have_urls(url: str) -> None:
    """Servers, their sockets, Sentinels and clusters are named by URL."""
    assert store_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        5,
        "",
        "localhost",
        "http://localhost",
        "redis://",
        "redis://user:password@localhost",
        "redis://localhost/name",
        "redis://localhost:6379?x=1",
        "redis://local host",
        "unix://run/valkey.sock",
        "redis+sentinel://192.0.2.1:26379",
        "redis://localhost:0",
        "redis://[2001:db8::1]:99999",
        "redis+cluster://192.0.2.1:70000,192.0.2.2",
        "redis+cluster://192.0.2.1/0",
        "redis://localhost\n",
    ],
)
def test_what_is_no_store_is_refused(url: object) -> None:
    """Anything else is refused, also a URL with a password in it: that has a file of its own."""
    with pytest.raises(ValueError, match="must be redis://HOST:PORT"):
        store_url(url)
