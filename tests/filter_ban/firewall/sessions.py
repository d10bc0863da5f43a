# SPDX-License-Identifier: ISC
"""A connection over the wire that is open, and known to connection tracking, before a ban falls."""

import contextlib
import socket
from collections.abc import Iterator

from tests.filter_ban.firewall.wire import PATIENCE_S, Wire

SESSION_PORT = 2600


@contextlib.contextmanager
def open_session(wire: Wire, client: str) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Yield the server's and the client's end of a connection over which both have sent something."""
    family = socket.AF_INET6 if ":" in client else socket.AF_INET
    with wire.listen(family, SESSION_PORT) as listener, wire.connect(client, SESSION_PORT) as remote:
        listener.settimeout(PATIENCE_S)
        local, _ = listener.accept()
        with local:
            local.settimeout(PATIENCE_S)
            local.sendall(b"220 ")
            assert remote.recv(4) == b"220 "
            remote.sendall(b"EHLO")
            assert local.recv(4) == b"EHLO"
            yield local, remote
