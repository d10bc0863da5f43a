# SPDX-License-Identifier: ISC
"""
What is wrong with the cluster: the files that a node needs, its stores, and what other nodes tell there.

Source: Valkey and Redis, the documentation of ACL.
"""

import stat
from collections.abc import Callable, Iterator, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

import attrs

from filter_ban.cluster.keys import ClusterKeys
from filter_ban.cluster.shards import stream_name
from filter_ban.config.cluster import Cluster
from filter_ban.doctor import cluster_nodes, store_server
from filter_ban.doctor.finding import Finding, Severity, quoted
from filter_ban.doctor.store import (
    COMMANDS,
    IN_OUR_CONFIGURATION,
    IN_THE_STORES,
    MB,
    PART,
    Login,
    Place,
    StoreError,
    Visit,
)

SHORTEST_KEY: Final = 16  # characters
_OPEN: Final = stat.S_IRWXO | stat.S_IWGRP

Visitor = Callable[[Place, Login, str, Mapping[int, str]], Visit]


def findings(config: Cluster, visit: Visitor, status: Mapping[str, Any]) -> Iterator[Finding]:
    """
    Yield what is wrong with the cluster of *config*.

    Args:
        config: Ours; where there are stores it has a key_file, and a shard for each.
        visit: Visits a store, or raises StoreError.
        status: A daemon's document of ``status``; empty: none answers.

    """
    if not config.stores:
        remedy = 'stores = ["rediss://store.example.org"]'
        text = "no cluster is configured, this node judges alone"
        yield Finding(PART, Severity.MISSING, "no-cluster", text, remedy, IN_OUR_CONFIGURATION)
        return
    told = status.get("cluster")
    if status and not told:
        text = (
            "the daemon that runs knows of no cluster: it was started before this configuration was written"
        )
        yield Finding(PART, Severity.DANGER, "not-restarted", text, "systemctl restart filter-ban")
    yield from _files(config)
    try:
        login = Login(config.user, _read(config.password_file), str(config.ca_file or ""))
    except OSError:
        return  # it is told, and all else would come of it
    checkup = _Checkup(config, visit, login, _keys(config), _stores_told(told))
    for index, url in enumerate(config.stores):
        yield from checkup.of_store(index, url)


def _stores_told(told: object) -> list[Any]:
    """Return what the daemon tells of each store; nothing where it is of another version."""
    stores = told.get("stores") if isinstance(told, dict) else None
    return stores if isinstance(stores, list) else []


# --- files


def _files(config: Cluster) -> Iterator[Finding]:
    """Yield what is wrong with the files that the daemon reads."""
    files = {"key": config.key_file, "password": config.password_file, "ca": config.ca_file}
    for name, file in files.items():
        if file is not None:
            yield from _file(name, file)


def _file(name: str, file: Path) -> Iterator[Finding]:
    path = quoted(str(file))
    try:
        text, mode = _read(file), file.stat().st_mode
    except OSError as error:
        why = f"cluster.{name}_file cannot be read: {error.strerror}"
        yield Finding(PART, Severity.DANGER, f"{name}-unreadable", why, f"ls -l {path}")
        return
    if name != "ca" and mode & _OPEN:
        why = f"cluster.{name}_file is open to more than its owner and group: who has it can speak for a node"
        yield Finding(PART, Severity.DANGER, f"{name}-open", why, f"chmod o=,g-w {path}")
    if name == "key" and len(text) < SHORTEST_KEY:
        why = (
            f"the nodes' key has {len(text)} characters, so that it can be guessed; {SHORTEST_KEY} are needed"
        )
        yield Finding(PART, Severity.DANGER, "key-short", why, f"openssl rand -hex 32 >{path}")


def _read(file: Path | None) -> str:
    return "" if file is None else file.read_text("ascii", "backslashreplace").strip()


def _keys(config: Cluster) -> ClusterKeys | None:
    try:
        return ClusterKeys(_read(config.key_file).encode())
    except OSError:
        return None


# --- stores


@attrs.frozen
class _Checkup:
    """What is needed to judge a store; ``told`` is what the daemon tells of each."""

    config: Cluster
    visit: Visitor
    login: Login
    keys: ClusterKeys | None
    told: list[Any]

    def of_store(self, index: int, url: str) -> Iterator[Finding]:
        """Yield what is wrong with the store of that place in ``cluster.stores``."""
        config, place = self.config, Place.parse(url)
        yield from _exposure(url, place, self.login)
        streams = {
            shard: stream_name(config.prefix, shard)
            for shard in range(index, config.shards, len(config.stores))
        }
        try:
            found = self.visit(place, self.login, config.prefix, streams)
        except StoreError as error:
            yield _closed(url, place, config, error)
            return
        yield from _rights(url, place, config, found.failed)
        growth = max(0, config.max_mb * MB - found.stream_bytes)
        for server in found.servers:
            yield from store_server.findings(server, growth)
        yield from self._daemon(index, url)
        if self.keys is not None:
            yield from cluster_nodes.findings(found, self.keys, config)

    def _daemon(self, index: int, url: str) -> Iterator[Finding]:
        """Yield what the daemon complains of, of a store that can be visited."""
        told = self.told[index] if index < len(self.told) else None
        if isinstance(told, dict) and told.get("ok") is False:
            text = f"{url} can be used from here, but not by the daemon: {quoted(str(told.get('problem')))}"
            yield Finding(PART, Severity.DANGER, "daemon-cut-off", text, "filter-ban status")


def _exposure(url: str, place: Place, login: Login) -> Iterator[Finding]:
    """Yield what others on the way to a store can do."""
    if all(_is_loopback(host) for host, _ in place.hosts):
        return
    if not place.tls:
        text = f"{url}: what nodes tell each other, and the password, can be read on the way"
        remedy = f'stores = ["{url.replace("redis", "rediss", 1)}"]'
        yield Finding(PART, Severity.ADVICE, "no-tls", text, remedy, IN_OUR_CONFIGURATION)
    if not login.password:
        text = f"{url}: cluster.password_file is not set: whoever reaches the store can empty it"
        remedy = 'password_file = "/etc/filter-ban.password", and a password in the store'
        yield Finding(PART, Severity.ADVICE, "no-password", text, remedy, IN_OUR_CONFIGURATION)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _closed(url: str, place: Place, config: Cluster, error: StoreError) -> Finding:
    """Return what is wrong with a store that could not be visited."""
    why = quoted(str(error))
    match error.kind:
        case "library":
            text = 'needs the extra "cluster": the library redis is missing'
            remedy = 'pip install "filter-ban[cluster]", or the Debian package python3-redis'
            return Finding(PART, Severity.DANGER, "library-missing", text, remedy)
        case "login":
            text = f"{url} does not take our user and password: {why}"
            return Finding(PART, Severity.DANGER, "login-refused", text, _acl(place, config), IN_THE_STORES)
        case "tls":
            text = f"{url}: TLS fails: {why}"
            remedy = 'ca_file = "…", the certificate that signed the server\'s'
            return Finding(PART, Severity.DANGER, "tls-fails", text, remedy, IN_OUR_CONFIGURATION)
        case "loading":
            text = f"{url} still reads its own data back: {why}"
            return Finding(PART, Severity.DANGER, "store-loading", text, "filter-ban doctor cluster")
        case "strange":
            text = f"{url} does not answer as Valkey and Redis do: {why}"
            return Finding(PART, Severity.DANGER, "store-strange", text, _ping(place))
        case _:
            text = f"{url} cannot be reached: {why}; until it can, each node judges alone"
            return Finding(PART, Severity.DANGER, "store-down", text, _ping(place))


def _ping(place: Place) -> str:
    """Return the command with which to try by hand."""
    if place.path:
        return f"redis-cli -s {place.path} ping"
    host, port = place.hosts[0]
    return f"redis-cli{' --tls' if place.tls else ''} -h {host} -p {port} ping"


def _acl(place: Place, config: Cluster) -> str:
    """Return the line of a store's configuration that gives nodes their rights; INFO is for the doctor."""
    own = [*(["cluster|slots"] if place.kind == "cluster" else []), *(["select"] if place.database else [])]
    commands = " ".join(f"+{command}" for command in (*COMMANDS, *own, "info"))
    user = config.user or "filter-ban"
    return f"user {user} on >PASSWORD resetchannels ~{config.prefix}:* -@all {commands}"


def _rights(url: str, place: Place, config: Cluster, failed: Mapping[str, str]) -> Iterator[Finding]:
    """Yield what nodes may not do; of what fails for another reason the first, as the others have the same."""
    denied = [command for command, why in failed.items() if "permission" in why]
    if denied:
        text = f"{url}: nodes may not {', '.join(denied)}"
        yield Finding(PART, Severity.DANGER, "denied", text, _acl(place, config), IN_THE_STORES)
    others = [f"{command}: {quoted(why)}" for command, why in failed.items() if command not in denied]
    if others:
        text = f"{url} refuses {others[0]}"
        yield Finding(PART, Severity.DANGER, "command-fails", text, "filter-ban status")
