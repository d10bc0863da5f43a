# SPDX-License-Identifier: ISC
"""What a node of a cluster has in place of what a lone one has."""

from collections.abc import Mapping
from socket import gethostname
from typing import TYPE_CHECKING

from filter_ban.cluster.bookmarks import Bookmarks
from filter_ban.cluster.keys import ClusterKeys
from filter_ban.cluster.notice import MAX_NODE
from filter_ban.config.cluster import Cluster
from filter_ban.daemon.cluster import ClusterLink
from filter_ban.engine import Policy
from filter_ban.engine.shared import SharedEngine
from filter_ban.tags import SecretTags, UserTags

if TYPE_CHECKING:
    from filter_ban.daemon.service import Service


class Sharing:
    """
    Engine, tags and link of a node.

    Args:
        config: Of the cluster.
        secrets: What its files hold, as :class:`filter_ban.courier.settings.Settings` calls it.

    """

    def __init__(self, config: Cluster, secrets: dict[str, str]) -> None:
        keys = ClusterKeys(secrets["key"].encode())
        self.users = UserTags(keys.users)
        self.secrets = SecretTags(keys.secrets, config.secret_bits)
        self._config = config
        self._texts = secrets

    def engine(self, policy: Policy) -> SharedEngine:
        """Return an engine that can listen to other nodes."""
        return SharedEngine(policy, self._config.secret_bits)

    def link(self, service: "Service", remembered: Mapping[str, str]) -> ClusterLink:
        """Return the link of *service*, which has such an engine, with what it remembers of the run before."""
        node = self._config.node or gethostname().partition(".")[0][:MAX_NODE]
        return ClusterLink(service, node=node, secrets=self._texts, bookmarks=Bookmarks(remembered))
