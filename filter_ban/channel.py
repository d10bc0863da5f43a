# SPDX-License-Identifier: ISC
"""
The messages between engine and enforcer: one JSON array a line over a socketpair, ``[verb, argument]``.

=================  ==========================================================  =========
to the enforcer    argument                                                    when
=================  ==========================================================  =========
``alive``          null                                                        twice a second
``replace``        ``{"entries": [[network, end], …], "more": bool}``          at start: all that should be in force
``change``         ``{"add": [[network, end], …], "remove": [network, …],      bans begin and end; by rule: no operator asked
                   "by_rule": bool}``
``sync``           a number that the report carries back as ``asked``          on request
``spare``          ``[network, …]``                                            whom the operator lets in, when that changes
``reload``         a number that the answer carries back as ``asked``          on request
=================  ==========================================================  =========

=================  ==========================================================  =========
to the engine      argument                                                    when
=================  ==========================================================  =========
``start``          ``{"file": name, "config": TOML text, "ledger": path,       first
                   "listeners": [{service, endpoint, fd, problem}, …],
                   "secret": for Dovecot, "surroundings": [network, …],
                   "cluster": {"key", "password", "ca", "certificate",
                   "certificate_key", "sentinel_password"}, or null,
                   "log": {"level": name, "form": name}}``
``surroundings``   ``[network, …]``                                            own addresses and gateways, when they change
``outcome``        ``{"backend": name, "in_force": […], "failed": [[network,   after each firewall command;
                   why], …], "drifted": […], "dropped": [[network, packets],   drifted: failed to be put back; dropped:
                   …]}``                                                       since it was last said
``synced``         a report, see :mod:`filter_ban.enforcer.worker`             after each full sync, from each backend
``reload``         ``{"asked": number, "config": TOML text, "firewall": bool,   the configuration was read again;
                   "problem": why it is wrong, "changed": {key: what must be   firewall: say again what should be
                   restarted for it, or ""}}``                                 in force
``stop``           null                                                        at the end
=================  ==========================================================  =========

Networks are canonical text; an end is Unix seconds, or null for a ban without end.
"""

import json
from typing import Any, Final

HEARTBEAT_S: Final = 0.5
SILENCE_S: Final = 2.0  # without a heartbeat for so long, the engine is taken to hang
ENTRIES_A_MESSAGE: Final = 2000
MAX_LINE: Final = 16 << 20


def encode(verb: str, argument: Any = None) -> bytes:
    """Return one message as a line."""
    return json.dumps([verb, argument], separators=(",", ":")).encode() + b"\n"


class MessageReader:
    """Cuts a byte stream into messages."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def receive_data(self, data: bytes) -> list[tuple[str, Any]]:
        """
        Return the messages that *data* completes.

        Raises:
            ValueError: a line is no message; the stream is beyond repair.

        """
        self._rest += data
        if len(self._rest) > MAX_LINE:
            raise ValueError(f"message longer than {MAX_LINE} bytes")
        if b"\n" not in data:
            return []
        *lines, self._rest = self._rest.split(b"\n")
        return [_decode(line) for line in lines]


def _decode(line: bytearray) -> tuple[str, Any]:
    message = json.loads(line)
    if not isinstance(message, list) or len(message) != 2 or not isinstance(message[0], str):  # noqa: PLR2004 - a pair
        raise ValueError("not a message")
    return message[0], message[1]
