# SPDX-License-Identifier: ISC
"""The page on configuration, from the schema: table by table each key with its default, meaning and rule. Pure."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

import attrs

from filter_ban.config import Config
from tools.manual.examples import EXAMPLES

HEAD: Final = """\
# Configuration

<!-- made by: python -m tools.manual; from filter_ban/config/schema.py -->

One TOML file, `/etc/filter-ban.toml` or `--config FILE`. Every key is optional. With no file at all the defaults hold,
and no firewall is touched.

- A **duration** is `"15m"`, `"2h"`, `"1h30m"`, `"7d"`, or a number of seconds.
- An **address** is `"192.0.2.7"` or `"2001:db8::7"`; a **prefix** is `"192.0.2.0/24"` or `"2001:db8::/48"`.
- Look at it before you use it: `filter-ban check` names every fault with file, key, value and rule.
  `filter-ban check --verbose` prints the values that hold.
- After a change: `filter-ban reload`. No count and no ban is lost. It names what holds only after a restart.

What most people set, and nothing else:

```toml
[firewall]
backend = "nftables"
ports = [25, 143, 465, 587, 993]    # without this line a banned client loses SSH too

[never]
networks = ["203.0.113.10"]         # where you log in from: never counted, never banned

[users]
domains = ["example.org"]           # a login for any other domain is a bot's
```

"""
NO_DEFAULT: Final = "depends on the system"
# Values that no key takes; each makes a parser tell its rule, and the last to be refused tells the most of it.
_WRONG: Final[tuple[Any, ...]] = (None, "no such value", "unix:/no")
_QUOTED: Final = re.compile(r"^'[^']*': ")  # the value, where a fault begins with it
_ESCAPES: Final = str.maketrans({character: f"\\{character}" for character in "\\|*_["} | {"<": "&lt;"})


def page() -> str:
    """Return the page."""
    return HEAD + "\n".join(_table(Config, ""))


def keys(cls: type[Any] = Config, prefix: str = "") -> Iterator[tuple[str, "attrs.Attribute[Any]"]]:
    """Yield every key with its full name, as ``never.widest.ipv4`` or ``override[].factor``."""
    for field in attrs.fields(cls):
        inner = _inner(field)
        if inner is None:
            yield f"{prefix}{field.name}", field
        else:
            yield from keys(inner, f"{prefix}{field.name}{'[]' if 'tables' in field.metadata else ''}.")


def _inner(field: "attrs.Attribute[Any]") -> type[Any] | None:
    """Return the class of a table; None: the field is a key."""
    return field.metadata.get("table") or field.metadata.get("tables")


def _table(cls: type[Any], name: str) -> Iterator[str]:
    """Yield the lines on one table and those in it."""
    fields = [field for field in attrs.fields(cls) if _inner(field) is None]
    if fields:
        yield from _section(cls, name, fields)
    for field in attrs.fields(cls):
        inner = _inner(field)
        if inner is not None:
            title = f"{name}.{field.name}".lstrip(".")
            yield from _table(inner, f"[{title}]" if "tables" in field.metadata else title)


def _section(cls: type[Any], name: str, fields: list[Any]) -> Iterator[str]:
    bare = name.strip("[]")
    _, _, meaning = (cls.__doc__ or "").strip().partition(": ")  # [limits]: when strikes become a ban.
    yield f"## [{name}]" if name else "## Outside of any table"
    yield ""
    if meaning:
        yield meaning[0].upper() + meaning[1:]
        yield ""
    yield "| Key | Default | Meaning | Rule |"
    yield "|---|---|---|---|"
    for field in fields:
        anchor = f"{bare}.{field.name}".lstrip(".")
        default = _default(field.metadata["default"])
        doc, rule = (_cell(text) for text in (field.metadata["doc"], _rule(field.metadata["parse"])))
        yield f'| <span id="{anchor}">`{field.name}`</span> | {default} | {doc} | {rule} |'
    yield ""
    yield "```toml"
    yield EXAMPLES[bare].rstrip()
    yield "```"
    yield ""


def _default(value: Any) -> str:
    return NO_DEFAULT if value is None else f"`{json.dumps(value)}`"


def _rule(parse: Callable[[object], Any]) -> str:
    """Return what a value must be, in the words of the fault that a wrong one gives."""
    rule = ""
    for wrong in _WRONG:
        rule = _fault(parse, wrong) or rule
    if rule.startswith("must be an array"):
        return f"{rule.removeprefix('must be ')}, each {_rule(lambda value: parse([value]))}"
    empty = " or empty" if rule.endswith("path") and not _fault(parse, "") else ""
    return (
        rule.replace("not an IPv4 or IPv6 address", "an address or a prefix").removeprefix("must be ") + empty
    )


def _fault(parse: Callable[[object], Any], value: object) -> str:
    """Return the rule that *value* breaks; empty: none."""
    try:
        parse(value)
    except ValueError as error:
        return _QUOTED.sub("", str(error))
    return ""


def _cell(text: str) -> str:
    """Return *text* for a cell: Markdown and HTML take nothing in it for their own."""
    return text.translate(_ESCAPES)
