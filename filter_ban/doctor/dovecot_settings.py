# SPDX-License-Identifier: ISC
"""What ``doveconf -n`` prints, of Dovecot 2.3 and 2.4, under one set of names."""

import re
from collections.abc import Mapping
from typing import Final

import attrs

_VERSION: Final = re.compile(r"# ([0-9]+)\.([0-9]+)\.")
_SETTING: Final = re.compile(r"([^\s={}]+)\s*=\s?(.*)")
_HIDDEN: Final = "# hidden"
ATTRIBUTES: Final = "auth_policy_request_attributes"
_UNITS_MS: Final = {"": 1, "ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}
DEFAULTS: Final = {
    "auth_failure_delay": "2 secs",
    "auth_mechanisms": "plain",
    "auth_policy_check_before_auth": "yes",
    "auth_policy_check_after_auth": "yes",
    "auth_policy_report_after_auth": "yes",
    "auth_policy_reject_on_fail": "no",
    "auth_policy_log_only": "no",
}
DEFAULT_ATTRIBUTES: Final = {
    "login": "%{requested_username}",
    "pwhash": "%{hashed_password}",
    "remote": "%{rip}",
}


@attrs.frozen
class DovecotSettings:
    """
    The settings that hold.

    Args:
        series: Whose names the configuration uses: ``2.3`` or ``2.4``.
        values: By name; of what is in named sections by its path, such as
            ``service anvil/unix_listener anvil-auth-penalty/mode``.

    """

    series: str
    values: Mapping[str, str]

    def get(self, name: str) -> str:
        """Return a value, the built-in one where none is set; empty where there is none either."""
        return self.values.get(name, DEFAULTS.get(name, ""))

    def is_on(self, name: str) -> bool:
        """Return whether a setting says yes."""
        return self.get(name).lower() == "yes"

    def is_hidden(self, name: str) -> bool:
        """Return whether a value is set and not shown."""
        return self.get(name).startswith(_HIDDEN)

    @property
    def attributes(self) -> Mapping[str, str]:
        """The attributes sent with each request; in 2.4 those that are set are merged with the built-in ones."""
        if self.series != "2.3":
            prefix = f"{ATTRIBUTES}_"
            set_here = {
                name.removeprefix(prefix): value
                for name, value in self.values.items()
                if name.startswith(prefix)
            }
            return {**DEFAULT_ATTRIBUTES, **set_here}
        if ATTRIBUTES not in self.values:
            return DEFAULT_ATTRIBUTES
        pairs = (word.partition("=") for word in self.values[ATTRIBUTES].split())
        return {name: value for name, _, value in pairs}


def parse_doveconf(text: str) -> DovecotSettings:
    """
    Return the settings that ``doveconf -n`` prints.

    A section without a name is a prefix: 2.4 prints ``auth_policy_server_url`` as ``server_url`` in ``auth_policy {``.
    """
    found = _VERSION.match(text)
    series = "2.3" if found and (int(found[1]), int(found[2])) < (2, 4) else "2.4"
    prefixes = [""]
    values: dict[str, str] = {}
    for line in map(str.strip, text.split("\n")):
        if not line or line.startswith("#"):
            continue
        if setting := _SETTING.fullmatch(line):
            values[prefixes[-1] + setting[1]] = _unquoted(setting[2].strip())
        elif line.endswith("{"):
            title = line[:-1].strip()
            prefixes.append(prefixes[-1] + title + ("/" if " " in title else "_"))
        elif line == "}" and len(prefixes) > 1:
            prefixes.pop()
    return DovecotSettings(series, values)


def milliseconds(text: str) -> int | None:
    """Return a time of Dovecot, such as ``1000``, ``1000 ms``, ``2s`` or ``2 secs``; None for what is none."""
    found = re.fullmatch(
        r"([0-9]{1,9})\s*(ms|msecs?|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hours?|)", text
    )
    if not found:
        return None
    unit = "ms" if found[2].startswith(("ms", "mil")) else found[2][:1]
    return int(found[1]) * _UNITS_MS[unit]


def _unquoted(value: str) -> str:
    quoted = len(value) > 1 and value[0] == value[-1] == '"'
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if quoted else value
