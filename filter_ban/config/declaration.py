# SPDX-License-Identifier: ISC
"""How a configuration key is declared: with its default, its rule, and its line in the manual."""

from collections.abc import Callable
from typing import Any, Final

import attrs

DAEMON: Final = "filter-ban"
SMTPD: Final = "smtpd"


def key(default: Any, parse: Callable[[object], Any], doc: str, *, restart: str = "") -> Any:
    """
    Declare one key.

    Args:
        default: In the form of the file; *parse* must accept it.
        parse: Returns the value, or raises ValueError with the rule that is broken.
        doc: For the manual.
        restart: What must be restarted before a change holds: DAEMON or SMTPD; "" where a reload is enough.

    """
    metadata = {"parse": parse, "default": default, "doc": doc, "restart": restart}
    return attrs.field(factory=lambda: parse(default), metadata=metadata)


def unset(parse: Callable[[object], Any], doc: str, *, restart: str = "") -> Any:
    """Declare a key whose default depends on the machine."""
    return attrs.field(
        default=None, metadata={"parse": parse, "default": None, "doc": doc, "restart": restart}
    )


def table(of: type) -> Any:
    """Declare a table of keys."""
    return attrs.field(factory=of, metadata={"table": of})


def tables(of: type) -> Any:
    """Declare an array of tables, ``[[name]]``; empty by default."""
    return attrs.field(default=(), metadata={"tables": of})
