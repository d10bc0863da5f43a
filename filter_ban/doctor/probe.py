# SPDX-License-Identifier: ISC
"""
Ask our listeners what the mail servers would ask, about a client that nobody is.

Nothing is counted: not a connection, and not a question whether a login may go on.
"""

import asyncio
import contextlib
import http.client
import json
import os
import socket
from http import HTTPStatus
from typing import Final

from filter_ban.config.values import Endpoint
from filter_ban.doctor.health import Health
from filter_ban.text import excerpt
from postfix_policy import PolicyProtocolError
from postfix_policy.aio import PolicyClient
from postfix_policy.testing import FakeSession

TIMEOUT_S: Final = 1.0
NOBODY: Final = "192.0.2.1"  # RFC 5737: for documentation, never a client
_MAX_BODY_BYTES: Final = 1 << 16


def probe_policy(endpoint: Endpoint) -> Health:
    """Return how a policy service answers a CONNECT request."""
    return asyncio.run(_probe_policy(endpoint))


async def _probe_policy(endpoint: Endpoint) -> Health:
    try:
        if endpoint.path:
            client = await PolicyClient.connect_unix(endpoint.path, timeout_s=TIMEOUT_S)
        else:
            client = await PolicyClient.connect_tcp(endpoint.host, endpoint.port, timeout_s=TIMEOUT_S)
    except OSError as error:
        return _nobody(error)
    async with client:
        try:
            await client.ask(FakeSession(NOBODY).connect())
        except PolicyProtocolError as error:
            return Health(f"it does not speak the policy protocol: {excerpt(str(error))}")
        except OSError as error:
            return _nobody(error)
    return Health()


def probe_auth_policy(endpoint: Endpoint, secret: str) -> Health:
    """Return how an auth policy server answers whether a login may go on; *secret* may be empty."""
    headers = {"Content-Type": "application/json"} | ({"X-API-Key": secret} if secret else {})
    body = json.dumps({"login": "", "protocol": "doctor", "pwhash": "", "remote": NOBODY})
    connection = _HTTPConnection(endpoint)
    try:
        connection.request("POST", "/?command=allow", body, headers)
        response = connection.getresponse()
        content = response.read(_MAX_BODY_BYTES)
    except (http.client.HTTPException, ValueError) as error:  # closing without an answer is an OSError, too
        return Health(f"it does not speak HTTP: {excerpt(str(error))}")
    except OSError as error:
        return _nobody(error)
    finally:
        connection.close()
    if response.status == HTTPStatus.UNAUTHORIZED:
        return Health("it wants another secret than that of dovecot.secret_file")
    with contextlib.suppress(ValueError, RecursionError):
        document = json.loads(content)
        if isinstance(document, dict) and isinstance(document.get("status"), int):
            return Health()
    return Health(f"it answers {response.status} without a status as JSON")


class _HTTPConnection(http.client.HTTPConnection):
    """A connection to an endpoint, which may be a unix socket."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(endpoint.host or "localhost", endpoint.port or None, timeout=TIMEOUT_S)
        self._path = endpoint.path

    def connect(self) -> None:
        """Connect, as the base class wants it."""
        if not self._path:
            super().connect()
            return
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(TIMEOUT_S)
        self.sock.connect(self._path)


def _nobody(error: OSError) -> Health:
    if isinstance(error, TimeoutError):
        return Health(f"no answer within {TIMEOUT_S:g} s", answered=False)
    return Health(os.strerror(error.errno).lower() if error.errno else excerpt(str(error)), answered=False)
