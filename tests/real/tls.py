# SPDX-License-Identifier: ISC
"""The client's side of TLS, for servers whose certificate nobody knows."""

import socket
import ssl


def start_tls(connection: socket.socket) -> ssl.SSLSocket:
    """
    Return *connection* inside TLS; the plain one must not be used any more.

    Raises:
        OSError: there was no handshake; ssl.SSLError is one.

    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(connection)
