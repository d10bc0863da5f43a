# SPDX-License-Identifier: ISC
"""
Every configuration key: its table, default, rule and one line of documentation.

The manual's table is made from these classes; ``docs`` and code cannot drift apart.
"""

from pathlib import Path
from typing import Final

import attrs

from filter_ban.client import IPV4_BITS, IPV6_BITS, ClientKey
from filter_ban.config import values
from filter_ban.config.cluster import Cluster
from filter_ban.config.declaration import DAEMON, SMTPD, key, table, tables, unset
from filter_ban.config.values import Endpoint, Limit
from filter_ban.model import Mode
from filter_ban.reply import ReplyTemplate

IPSET_BACKENDS: Final = ("ipset", "iptables", "ufw")
BACKENDS: Final = ("nftables", *IPSET_BACKENDS, "pf", "npf", "ipfw", "route", "helper")


@attrs.frozen(kw_only=True)
class Limits:
    """[limits]: when strikes become a ban."""

    windows: tuple[Limit, ...] = key(
        ["5 in 10m", "10 in 24h", "15 in 7d"],
        values.several(values.parse_limit, at_least=1),
        "strikes in a window that cause a ban",
    )
    ipv4_prefix: int = key(
        32,
        values.integer(16, IPV4_BITS),
        "IPv4 prefix that is counted and banned as one client",
        restart=DAEMON,
    )
    ipv6_prefix: int = key(
        64,
        values.integer(32, IPV6_BITS),
        "IPv6 prefix that is counted and banned as one client",
        restart=DAEMON,
    )
    max_clients: int = key(
        1_000_000,
        values.integer(1000, 10_000_000),
        "clients tracked; least recently seen out first",
        restart=DAEMON,
    )
    relapse: float = key(
        5, values.number(1, 100), "factor on failed logins of a client that was banned within ban.forget"
    )


@attrs.frozen(kw_only=True)
class Weights:
    """[weights]: strikes that one signal counts."""

    auth_fail: float = key(1, values.number(0, 100), "a failed login")
    unknown_user: float = key(
        2, values.number(0, 100), "a failed login for a user that does not exist, where the server tells"
    )
    auth_abort: float = key(1, values.number(0, 100), "an AUTH that was begun and never decided")
    no_tls: float = key(1, values.number(0, 100), "a connection to a TLS port without a handshake")
    no_auth: float = key(
        0, values.number(0, 100), "a session on a submission port that never logged in; from Postfix a guess"
    )
    relay_attempt: float = key(
        1, values.number(0, 100), "a session on a submission port that tries to send without a login"
    )
    bad_helo: float = key(
        2, values.number(0, 100), "a session that gives a name of helo.bad, or our own address"
    )


@attrs.frozen(kw_only=True)
class Guard:
    """[guard]: who is spared because somebody has logged in there."""

    remember: int = key("30d", values.parse_duration, "age at which a login is forgotten")
    familiar: float = key(
        0.2, values.number(0, 1), "factor on failed logins for a user who logs in from there"
    )
    pace: int = key(
        "1m",
        values.parse_duration,
        "a failed login without a visible password, this long after one for the same user, is the same password again",
    )


@attrs.frozen(kw_only=True)
class Siege:
    """[siege]: one user name that many clients fail to log in as."""

    clients: int = key(20, values.integer(0, 1000), "distinct clients that make a siege; 0: there are none")
    window: int = key("24h", values.parse_duration, "within which they failed")
    unresolved: float = key(
        15, values.number(0, 100), "what a failed login weighs in a siege, if no login of that user follows"
    )
    patience: int = key("10m", values.parse_duration, "within which that login must follow")


@attrs.frozen(kw_only=True)
class Widen:
    """[widen]: networks whose members guess, banned whole in the dialogue."""

    members: int = key(5, values.integer(0, 64), "distinct clients of a /24, /56 or /48; 0: never")
    strikes: float = key(20, values.number(1, 1000), "what they must have failed together")
    window: int = key("24h", values.parse_duration, "within which they failed")
    length: int | None = key("2h", values.parse_length, "length of such a ban")


@attrs.frozen(kw_only=True)
class Users:
    """[users]: names that nobody has who belongs here."""

    domains: tuple[str, ...] = key(
        [], values.several(values.text), "our domains: a login for another one bans at once; empty: any"
    )
    traps: tuple[str, ...] = key(
        [], values.several(values.text), "names that nobody has: a login for one bans at once"
    )


@attrs.frozen(kw_only=True)
class Override:
    """[[override]]: other rules for some networks or services; the first that fits holds."""

    networks: tuple[ClientKey, ...] = key(
        [], values.several(values.network), "addresses and prefixes it is for; empty: all"
    )
    services: tuple[str, ...] = key(
        [], values.several(values.text), 'how the name of the service begins ("dovecot imap"); empty: all'
    )
    factor: float = key(1, values.number(0, 100), "on every strike")
    windows: tuple[Limit, ...] = key(
        [], values.several(values.parse_limit), "in place of limits.windows; empty: those"
    )
    ladder: tuple[int | None, ...] = key(
        [], values.several(values.parse_length), "in place of ban.ladder; empty: that"
    )


@attrs.frozen(kw_only=True)
class Decoy:
    """[decoy]: a server where nobody has business."""

    listen: tuple[Endpoint, ...] = key(
        [],
        values.several(values.parse_tcp_endpoint),
        "ADDRESS:PORT of it; a login there bans at once; empty: off",
        restart=DAEMON,
    )


@attrs.frozen(kw_only=True)
class Blocklistd:
    """[blocklistd]: the socket of libblocklist, for daemons that report to blocklistd."""

    socket: Path | None = key(
        "",
        values.parse_path_or_none,
        "path of it, such as /var/run/blocklistd.sock; empty: off",
        restart=DAEMON,
    )
    users: tuple[str, ...] = key(
        ["root", "postfix", "sshd"],
        values.several(values.text),
        "users whose daemons may report",
        restart=DAEMON,
    )


@attrs.frozen(kw_only=True)
class Record:
    """[record]: a recording of what was seen, for filter-ban replay."""

    path: Path | None = key(
        "", values.parse_path_or_none, "file; names of users are hashed; empty: off", restart=DAEMON
    )


@attrs.frozen(kw_only=True)
class Helo:
    """[helo]: names that only bots give themselves."""

    bad: tuple[str, ...] = key(
        ["ylmf-pc", "User"],
        values.several(values.text),
        "HELO names that bots are known by, as they write them",
    )


@attrs.frozen(kw_only=True)
class BanLengths:
    """[ban]: how long a ban lasts."""

    ladder: tuple[int | None, ...] = key(
        ["15m", "2h", "1d", "7d"],
        values.several(values.parse_length, at_least=1),
        'length of a ban by offence; "forever" is allowed',
    )
    forget: int = key("30d", values.parse_duration, "age at which an offence is forgotten")


@attrs.frozen(kw_only=True)
class Widest:
    """[never.widest]: the widest prefix that may be banned."""

    ipv4: int = key(24, values.integer(8, IPV4_BITS), "widest IPv4 prefix")
    ipv6: int = key(48, values.integer(16, IPV6_BITS), "widest IPv6 prefix")


@attrs.frozen(kw_only=True)
class Never:
    """[never]: who is never counted and never banned."""

    networks: tuple[ClientKey, ...] = key(
        [], values.several(values.network), "addresses and prefixes never counted or banned"
    )
    own_addresses: bool = key(
        True,
        values.flag,
        "spare loopback, this machine's addresses and its gateways; false only for tests and demonstrations",
    )
    widest: Widest = table(Widest)


@attrs.frozen(kw_only=True)
class Reply:
    """[reply]: what a refused client is told."""

    banned: ReplyTemplate = key(
        "421 4.7.0 {client} refused until {until} after {strikes} failed logins, reference {ref}",
        values.parse_reply,
        "SMTP reply with {client}, {strikes}, {until} and {ref}; 421 and 521 hang up",
    )


@attrs.frozen(kw_only=True)
class Firewall:
    """[firewall]: where bans are pushed."""

    backend: tuple[str, ...] = key(
        "none",
        values.parse_backends(*BACKENDS),
        f"what bans are pushed to, one or an array of several: {', '.join(BACKENDS)}; or none",
    )
    ports: tuple[int, ...] = key(
        [], values.several(values.integer(1, 65_535)), "TCP ports that are closed; empty: everything"
    )
    hook: str = key(
        "prerouting",
        values.one_of("prerouting", "input"),
        "where nftables drops: prerouting, before connection tracking and NAT; or input",
    )
    action: str = key(
        "drop",
        values.one_of("drop", "reject"),
        "drop: the client hears nothing; reject: it is told, by a reset or ICMP",
    )
    max_entries: int = key(
        1_000_000,
        values.integer(1, 10_000_000),
        "entries that the firewall gets; beyond, in the dialogue only",
    )
    max_per_minute: int = key(
        5000,
        values.integer(1, 1_000_000),
        "new entries that the rules may make in a minute; beyond, in the dialogue only",
    )
    table: str = key(
        "filter-ban",
        values.pattern(
            r"[A-Za-z][A-Za-z0-9_-]{0,30}",
            "must be a name of letters, digits, - and _, at most 31 characters",
        ),
        "table or sets that hold the bans",
    )
    anchor: str = key(
        "",
        values.pattern(r"[A-Za-z0-9_/-]{0,100}", "must be a pf anchor path of letters, digits, -, _ and /"),
        "pf anchor that holds the table; empty: the main ruleset",
    )
    helper: Path | None = key(
        "", values.parse_path_or_none, 'program of backend "helper", such as /libexec/blocklistd-helper'
    )
    helper_protocol: str = key(
        "blocklistd",
        values.one_of("blocklistd", "lines"),
        "how it is spoken to: blocklistd-helper's arguments, or lines on its standard input",
    )


@attrs.frozen(kw_only=True)
class LedgerFile:
    """[ledger]: the durable memory."""

    path: Path | None = unset(values.parse_path, "the ledger's file", restart=DAEMON)


@attrs.frozen(kw_only=True)
class Daemon:
    """[daemon]: the process and its sockets."""

    socket_dir: Path | None = unset(
        values.parse_path, "folder of relay.sock and control.sock", restart=DAEMON
    )
    user: str = key(
        "_filterban",
        values.pattern(r"([A-Za-z_][A-Za-z0-9_.-]{0,31})?", "must be a user name or empty"),
        'user that the engine runs as; "" keeps the user it was started as',
        restart=DAEMON,
    )
    relay_users: tuple[str, ...] = key(
        ["opensmtpd", "_smtpd"],
        values.several(values.text),
        "users who may feed relay.sock, beside root and user",
        restart=DAEMON,
    )
    spawn: bool = key(True, values.flag, "the relay starts a daemon when none runs", restart=SMTPD)


@attrs.frozen(kw_only=True)
class Relay:
    """[relay]: what smtpd runs."""

    on_trouble: str = key(
        "proceed",
        values.pattern(
            r"proceed|[45][0-9]{2} [\x20-\x7e]{1,470}",
            'must be "proceed" or a reply such as "421 4.3.0 try again"',
        ),
        "answer while the daemon cannot be asked",
        restart=SMTPD,
    )
    deadline_ms: int = key(
        1000, values.integer(10, 60_000), "longest that a session waits for the daemon in all", restart=SMTPD
    )


@attrs.frozen(kw_only=True)
class Opensmtpd:
    """[opensmtpd]: what the filter protocol does not say."""

    smtps_ports: tuple[int, ...] = key(
        [465], values.several(values.integer(1, 65_535)), "ports that speak TLS from the start"
    )
    submission_ports: tuple[int, ...] = key(
        [465, 587],
        values.several(values.integer(1, 65_535)),
        "ports where a client must log in before it sends",
    )


@attrs.frozen(kw_only=True)
class Postfix:
    """[postfix]: the policy service."""

    listen: tuple[Endpoint, ...] = key(
        ["127.0.0.1:10040"],
        values.several(values.parse_endpoint),
        "ADDRESS:PORT or unix:/PATH of the policy service; empty: off",
        restart=DAEMON,
    )
    submission_ports: tuple[int, ...] = key(
        [465, 587],
        values.several(values.integer(1, 65_535)),
        'ports of submission services; so is any with policy_context "submission"',
    )
    banned: ReplyTemplate | None = key(
        "",
        values.parse_policy_reply,
        "reply to a banned client, as in reply.banned or REJECT and a text; empty: reply.banned",
    )


@attrs.frozen(kw_only=True)
class Dovecot:
    """[dovecot]: the server of Dovecot's auth policy."""

    listen: tuple[Endpoint, ...] = key(
        [],
        values.several(values.parse_endpoint),
        'ADDRESS:PORT or unix:/PATH, such as "127.0.0.1:10041"; empty: off; needs the extra "http"',
        restart=DAEMON,
    )
    secret_file: Path | None = key(
        "",
        values.parse_path_or_none,
        "file with the secret that Dovecot must send as X-API-Key or password; empty: none",
        restart=DAEMON,
    )


@attrs.frozen(kw_only=True)
class Hooks:
    """[hooks]: who is told of bans and lifts, with the ban as a JSON document."""

    on_ban: tuple[str, ...] = key(
        "", values.parse_hook, "program (a path, or an array with arguments) or URL; empty: none"
    )
    on_lift: tuple[str, ...] = key("", values.parse_hook, "the same, when a ban is lifted or over")
    timeout: int = key("10s", values.parse_duration, "after which a run is ended")
    at_once: int = key(
        4, values.integer(1, 64), "runs at the same time; what comes meanwhile waits, or is dropped"
    )


@attrs.frozen(kw_only=True)
class Metrics:
    """[metrics]: figures for Prometheus."""

    listen: tuple[Endpoint, ...] = key(
        [],
        values.several(values.parse_endpoint),
        'ADDRESS:PORT or unix:/PATH, such as "127.0.0.1:9124"; empty: off; needs the extra "http"',
        restart=DAEMON,
    )


@attrs.frozen(kw_only=True)
class Geo:
    """[geo]: where addresses are, for reports."""

    database: Path | None = key(
        "",
        values.parse_path_or_none,
        'file in the format of MaxMind (.mmdb); empty: none; needs the extra "geo"',
    )


@attrs.frozen(kw_only=True)
class Log:
    """[log]: what is logged, and how."""

    level: str = key(
        "info",
        values.one_of("debug", "info", "warning", "error"),
        "least severity that is logged",
    )
    form: str = key(
        "text", values.one_of("text", "json"), "a line of key=value, or a JSON object a line", restart=DAEMON
    )


@attrs.frozen(kw_only=True)
class Config:
    """The whole file."""

    mode: Mode = key(
        "enforce", values.parse_mode, "watch: only log; refuse: in the dialogue; enforce: and in the firewall"
    )
    limits: Limits = table(Limits)
    weights: Weights = table(Weights)
    helo: Helo = table(Helo)
    users: Users = table(Users)
    guard: Guard = table(Guard)
    siege: Siege = table(Siege)
    widen: Widen = table(Widen)
    override: tuple[Override, ...] = tables(Override)
    ban: BanLengths = table(BanLengths)
    never: Never = table(Never)
    reply: Reply = table(Reply)
    firewall: Firewall = table(Firewall)
    ledger: LedgerFile = table(LedgerFile)
    daemon: Daemon = table(Daemon)
    relay: Relay = table(Relay)
    opensmtpd: Opensmtpd = table(Opensmtpd)
    postfix: Postfix = table(Postfix)
    dovecot: Dovecot = table(Dovecot)
    decoy: Decoy = table(Decoy)
    blocklistd: Blocklistd = table(Blocklistd)
    record: Record = table(Record)
    hooks: Hooks = table(Hooks)
    metrics: Metrics = table(Metrics)
    geo: Geo = table(Geo)
    cluster: Cluster = table(Cluster)
    log: Log = table(Log)
