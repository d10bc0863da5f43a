# SPDX-License-Identifier: ISC
"""
The wire between a mail server and its clients: two networks and a veth pair.

The clients' side owns every address of CLIENTS_IPV4 and CLIENTS_IPV6, without a list of them, and is the mail server's
default gateway.
"""

import ipaddress
import socket
import subprocess
from typing import Final

from tests.real.namespaces import NetworkNamespace, SystemNamespace

MX_IPV4: Final = "198.18.0.1"  # RFC 2544: for tests of networks
MX_IPV6: Final = "fd00:98::1"
GATEWAY_IPV4: Final = "198.18.0.2"
GATEWAY_IPV6: Final = "fd00:98::2"
CLIENTS_IPV4: Final = "10.99.0.0/16"
CLIENTS_IPV6: Final = "fd00:99::/32"
MX_INTERFACE: Final = "mx0"

SMTP: Final = 25
SMTPS: Final = 465
SUBMISSION: Final = 587
IMAP: Final = 143
IMAPS: Final = 993

_MX_MAC: Final = "02:00:00:00:00:01"
_CLIENTS_MAC: Final = "02:00:00:00:00:02"
_IPV6_FREEBIND: Final = 78  # linux/in6.h: bind to an address that only the route names
_MX_SETUP: Final = f"""
link set lo up
link set {MX_INTERFACE} addrgenmode none
address add {MX_IPV4}/30 dev {MX_INTERFACE}
address add {MX_IPV6}/126 dev {MX_INTERFACE} nodad
link set {MX_INTERFACE} up
neigh add {GATEWAY_IPV4} lladdr {_CLIENTS_MAC} dev {MX_INTERFACE} nud permanent
neigh add {GATEWAY_IPV6} lladdr {_CLIENTS_MAC} dev {MX_INTERFACE} nud permanent
route add default via {GATEWAY_IPV4}
route add default via {GATEWAY_IPV6}
"""
_CLIENTS_SETUP: Final = f"""
link set lo up
link set clients0 addrgenmode none
address add {GATEWAY_IPV4}/30 dev clients0
address add {GATEWAY_IPV6}/126 dev clients0 nodad
link set clients0 up
neigh add {MX_IPV4} lladdr {_MX_MAC} dev clients0 nud permanent
neigh add {MX_IPV6} lladdr {_MX_MAC} dev clients0 nud permanent
route add local {CLIENTS_IPV4} dev lo
route add local {CLIENTS_IPV6} dev lo
"""


class ClientNetwork(NetworkNamespace):
    """The network of all clients, joined to the one mail server."""

    def __init__(self, mx: SystemNamespace) -> None:
        """Make the network and the wire to *mx*."""
        super().__init__()
        try:
            self._join(mx)
        except BaseException:
            self.close()
            raise

    def _join(self, mx: SystemNamespace) -> None:
        wire = [
            "ip",
            "link",
            "add",
            MX_INTERFACE,
            "address",
            _MX_MAC,
            "netns",
            str(mx.pid),
            "type",
            "veth",
            "peer",
        ]
        _run([*wire, "name", "clients0", "address", _CLIENTS_MAC, "netns", str(self.pid)])
        with self.entered():
            _run(["ip", "-batch", "-"], _CLIENTS_SETUP)
        mx.run(["ip", "-batch", "-"], stdin=_MX_SETUP.encode())

    def connect(self, source: str, port: int, timeout_s: float) -> socket.socket:
        """
        Return a TCP connection to the mail server from the client address *source*, of either family.

        Raises:
            OSError: no connection within *timeout_s*; ConnectionRefusedError or TimeoutError where it is that.

        """
        ipv6 = ipaddress.ip_address(source).version == 6
        with self.entered():
            connection = socket.socket(socket.AF_INET6 if ipv6 else socket.AF_INET)
        try:
            if ipv6:
                connection.setsockopt(socket.IPPROTO_IPV6, _IPV6_FREEBIND, 1)
            connection.settimeout(timeout_s)
            connection.bind((source, 0))
            connection.connect((MX_IPV6 if ipv6 else MX_IPV4, port))
        except BaseException:
            connection.close()
            raise
        return connection


def _run(argv: list[str], stdin: str = "") -> None:
    done = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=20, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(argv)}: status {done.returncode}: {done.stderr.strip()}")
