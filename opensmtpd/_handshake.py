# SPDX-License-Identifier: ISC
"""The beginning of the stream: what the server says of itself, up to config|ready."""

from typing import Any, Final

import attrs

from opensmtpd._events import ServerConfig
from opensmtpd._version import parse_version

_MAX_OTHER: Final = 64
_TEXTS: Final = {"smtpd-version": "smtpd_version", "protocol": "protocol", "admd": "admd"}


def with_setting(config: ServerConfig, key: str, value: str) -> ServerConfig:
    """
    Return *config* with one more line of the handshake; beyond 64 unknown ones, the latest are dropped.

    Raises:
        RemoteProtocolError: the server speaks a version that this package does not know.
        ValueError: the session timeout is no number.

    """
    changes: dict[str, Any]
    if key == "protocol":
        parse_version(value)
    if key in _TEXTS:
        changes = {_TEXTS[key]: value}
    elif key == "smtp-session-timeout":
        if not (value.isascii() and value.isdigit() and len(value) < 10):  # noqa: PLR2004 - 30 years
            raise ValueError("smtp-session-timeout: must be digits")
        changes = {"session_timeout_s": int(value)}
    elif key == "subsystem":
        changes = {"subsystems": tuple(dict.fromkeys((*config.subsystems, value)))[:_MAX_OTHER]}
    else:
        changes = {"other": (*config.other, (key, value))[:_MAX_OTHER]}
    return attrs.evolve(config, **changes)
