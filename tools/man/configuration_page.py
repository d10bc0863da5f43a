# SPDX-License-Identifier: ISC
"""filter-ban.toml(5): every key, from the configuration's schema."""

import inspect
import json
from collections.abc import Iterator
from typing import Any, Final

import attrs

from filter_ban.config import Config
from tools.man.mdoc import display, escaped, literal, page, paragraphs, prose, tags

_DESCRIPTION: Final = """
The configuration of filter-ban(1) is one TOML file, `/etc/filter-ban.toml` or what `--config` names. Everything in it is
optional; with no file at all the defaults hold and no firewall is touched. `filter-ban check` names every fault with its
key and rule, and `filter-ban check --verbose` prints the values that hold.

A duration is a string such as `"15m"`, `"2h"`, `"1h30m"` or `"7d"`, or a number of seconds. A network is an address or a
prefix, such as `"192.0.2.7"` or `"2001:db8:1::/48"`.

In the list below `limits.windows` is the key `windows` of the table `[limits]`; the keys of `override[]` stand in tables
`[[override]]`, of which there may be several.
"""
_EXAMPLE: Final = """
[firewall]
backend = "nftables"
ports = [25, 465, 587, 993]

[never]
networks = ["203.0.113.10"]         # where you log in from

[limits]
windows = ["5 in 10m", "10 in 24h", "15 in 7d"]
"""
_PLACES: Final = {
    "ledger.path": "`/var/lib/filter-ban/ledger.sqlite3`, on the BSDs `/var/db/filter-ban/ledger.sqlite3`",
    "daemon.socket_dir": "`/run/filter-ban`, on the BSDs `/var/run/filter-ban`",
}


def configuration_page() -> str:
    """Return the page."""
    return page(
        "filter-ban.toml",
        5,
        "configuration of filter-ban",
        ("DESCRIPTION", [*paragraphs(_DESCRIPTION), *_tables()]),
        ("FILES", tags([("Pa /etc/filter-ban.toml", ["The configuration."])])),
        ("EXAMPLES", display(_EXAMPLE)),
        ("SEE ALSO", [".Xr filter-ban 1 ,", ".Xr filter-ban-firewall 7 ,", ".Xr filter-ban-opensmtpd 8"]),
    )


def section(name: str) -> Iterator[str]:
    """Yield the keys of one table, as a list."""
    of = attrs.fields_dict(Config)[name].metadata["table"]
    yield from _keys(of, f"{name}.")


def _tables() -> Iterator[str]:
    yield ".Ss The file"
    yield from _keys(Config, "")
    for field in attrs.fields(Config):
        for kind, dots in (("table", "."), ("tables", "[].")):
            if of := field.metadata.get(kind):
                yield f".Ss {_title(of)}"
                yield from _keys(of, f"{field.name}{dots}")


def _title(of: type[Any]) -> str:
    """Return what the class says of its table: ``[limits]: when strikes become a ban.``."""
    return escaped(inspect.cleandoc(of.__doc__ or "").splitlines()[0].rstrip("."))


def _keys(of: type[Any], prefix: str) -> Iterator[str]:
    yield from tags(_entries(of, prefix))


def _entries(of: type[Any], prefix: str) -> Iterator[tuple[str, Iterator[str]]]:
    for field in attrs.fields(of):
        if "default" in field.metadata:
            name = f"{prefix}{field.name}"
            yield f"Ic {literal(name)}", _about(name, field.metadata)
        elif "table" in field.metadata and prefix:
            yield from _entries(field.metadata["table"], f"{prefix}{field.name}.")


def _about(name: str, metadata: Any) -> Iterator[str]:
    yield from prose(f"{metadata['doc']}.")
    if metadata["default"] is None:
        yield from prose(f"The default is {_PLACES[name]}.")
        return
    yield "The default is"
    default = json.dumps(metadata["default"])
    yield f".Ql {literal(default)} ."
