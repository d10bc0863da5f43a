# SPDX-License-Identifier: ISC
"""What is wrong with the cluster: the files that a node needs, its stores, and what other nodes tell there."""

from collections.abc import Callable, Iterator, Mapping
from ipaddress import ip_address
from typing import Any

import attrs

from filter_ban import certificate
from filter_ban.cluster.keys import ClusterKeys
from filter_ban.cluster.shards import stream_name
from filter_ban.config.cluster import Cluster
from filter_ban.doctor import cluster_files, cluster_nodes, store_closed, store_server
from filter_ban.doctor.finding import Finding, Severity, quoted
from filter_ban.doctor.store import (
    IN_OUR_CONFIGURATION,
    IN_THE_STORES,
    MB,
    PART,
    Login,
    Place,
    StoreError,
    Visit,
    rights_line,
)

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
    yield from cluster_files.findings(config)
    try:
        login = cluster_files.login(config)
    except (OSError, certificate.CertificateError):
        return  # it is told, and all else would come of it
    checkup = _Checkup(config, visit, login, cluster_files.keys(config), _stores_told(told))
    for index, url in enumerate(config.stores):
        yield from checkup.of_store(index, url)


def _stores_told(told: object) -> list[Any]:
    """Return what the daemon tells of each store; nothing where it is of another version."""
    stores = told.get("stores") if isinstance(told, dict) else None
    return stores if isinstance(stores, list) else []


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
            yield store_closed.finding(url, place, config, error)
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


def _rights(url: str, place: Place, config: Cluster, failed: Mapping[str, str]) -> Iterator[Finding]:
    """Yield what nodes may not do; of what fails for another reason the first, as the others have the same."""
    denied = [command for command, why in failed.items() if "permission" in why]
    if denied:
        text = f"{url}: nodes may not {', '.join(denied)}"
        yield Finding(PART, Severity.DANGER, "denied", text, rights_line(place, config), IN_THE_STORES)
    others = [f"{command}: {quoted(why)}" for command, why in failed.items() if command not in denied]
    if others:
        text = f"{url} refuses {others[0]}"
        yield Finding(PART, Severity.DANGER, "command-fails", text, "filter-ban status")
