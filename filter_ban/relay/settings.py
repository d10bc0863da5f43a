# SPDX-License-Identifier: ISC
"""
The settings that concern the relay, read leniently: whatever is wrong, the default holds and one line says so.

The whole file is checked by the daemon and by ``filter-ban check``. Source: design.md, section 8.
"""

import os
import stat

from filter_ban.relay.log import LEVELS
from filter_ban.relay.wire import PROCEED, is_reply

DEFAULT_FILE = "/etc/filter-ban.toml"
MAX_FILE_BYTES = 1024 * 1024
DEADLINE_MS = 1000
DEADLINE_RANGE_MS = range(10, 60_001)


class Settings:
    """What the relay goes by: defaults, until a setter takes a value from a file and returns True."""

    def __init__(self) -> None:
        self.socket_dir: str | None = None
        self.spawn = True
        self.on_trouble = PROCEED  # a decision, with its text
        self.deadline_s = DEADLINE_MS / 1000
        self.log_level = "info"
        self.log_json = False
        self.faults: list[str] = []

    def set_socket_dir(self, value: object) -> bool:
        """Take ``daemon.socket_dir``."""
        if not isinstance(value, str) or not value.startswith("/") or "\0" in value:
            return False
        self.socket_dir = value
        return True

    def set_spawn(self, value: object) -> bool:
        """Take ``daemon.spawn``."""
        if not isinstance(value, bool):
            return False
        self.spawn = value
        return True

    def set_on_trouble(self, value: object) -> bool:
        """Take ``relay.on_trouble``; a reply ends the session."""
        text = value.encode(errors="replace") if isinstance(value, str) else b""
        if text != PROCEED and not is_reply(text):
            return False
        self.on_trouble = text if text == PROCEED else b"disconnect|" + text
        return True

    def set_deadline_ms(self, value: object) -> bool:
        """Take ``relay.deadline_ms``."""
        if type(value) is not int or value not in DEADLINE_RANGE_MS:
            return False
        self.deadline_s = value / 1000
        return True

    def set_log_level(self, value: object) -> bool:
        """Take ``log.level``."""
        if not isinstance(value, str) or value not in LEVELS:
            return False
        self.log_level = value
        return True

    def set_log_form(self, value: object) -> bool:
        """Take ``log.form``."""
        if value not in ("text", "json"):
            return False
        self.log_json = value == "json"
        return True


_KEYS = (
    ("daemon", "socket_dir", Settings.set_socket_dir, "must be an absolute path"),
    ("daemon", "spawn", Settings.set_spawn, "must be true or false"),
    (
        "relay",
        "on_trouble",
        Settings.set_on_trouble,
        'must be "proceed" or a reply such as "421 4.3.0 try again"',
    ),
    ("relay", "deadline_ms", Settings.set_deadline_ms, "must be an integer from 10 to 60000"),
    ("log", "level", Settings.set_log_level, f"must be one of {', '.join(LEVELS)}"),
    ("log", "form", Settings.set_log_form, "must be one of text, json"),
)


def read_settings(path: str | None) -> Settings:
    """
    Return the settings in *path*; None: in the default file, which may be absent.

    Never fails and never blocks; what could not be used is told in ``faults``.
    """
    settings = Settings()
    try:
        text = _read_file(path or DEFAULT_FILE)
    except FileNotFoundError as error:
        if path:
            settings.faults.append(f"{path}: {error.strerror}")
    except (OSError, ValueError) as error:
        settings.faults.append(f"{path or DEFAULT_FILE}: {error}")
    else:
        take_text(settings, text)
        settings.faults = [f"{path or DEFAULT_FILE}: {fault}" for fault in settings.faults]
    return settings


def take_text(settings: Settings, text: str) -> None:
    """Put the values of a TOML text into *settings*, and into its ``faults`` what is wrong with them."""
    import tomllib  # noqa: PLC0415 - 2 MB of memory that a relay without a file does not need

    try:
        tables = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        settings.faults.append(f"not TOML, ignored: {error}")
        return
    for table, key, take, rule in _KEYS:
        values = tables.get(table)
        if isinstance(values, dict) and key in values and not take(settings, values[key]):
            settings.faults.append(f"{table}.{key}: {rule}; the default holds")


def _read_file(path: str) -> str:
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise ValueError("not a regular file")
        data = os.read(fd, MAX_FILE_BYTES + 1)
    finally:
        os.close(fd)
    if len(data) > MAX_FILE_BYTES:
        raise ValueError(f"larger than {MAX_FILE_BYTES} bytes")
    return data.decode()
