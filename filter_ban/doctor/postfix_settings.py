# SPDX-License-Identifier: ISC
"""What ``postconf -n``, ``-M`` and ``-P`` print, as the settings that hold for each service."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

import attrs

# built-in values of what is looked at, the same in Postfix 3.7 to 3.12
DEFAULTS: Final = {
    "master_service_disable": "",
    "queue_directory": "/var/spool/postfix",
    "smtpd_client_restrictions": "",
    "smtpd_delay_reject": "yes",
    "smtpd_hard_error_limit": "${stress?{1}:{20}}",
    "smtpd_helo_restrictions": "",
    "smtpd_policy_service_default_action": "451 4.3.5 Server configuration problem",
    "smtpd_policy_service_timeout": "100s",
    "smtpd_policy_service_try_limit": "2",
    "smtpd_restriction_classes": "",
    "smtpd_sasl_auth_enable": "no",
    "smtpd_sasl_type": "cyrus",
    "smtpd_sender_restrictions": "",
    "smtpd_tls_wrappermode": "no",
}
_SETTING: Final = re.compile(r"([^\s=]+)\s*=\s*(.*)")
_REFERENCE: Final = re.compile(r"\$(?:\$|([A-Za-z0-9_]+)|\(([A-Za-z0-9_]+)\)|\{)")
_NAME: Final = re.compile(r"([A-Za-z0-9_]+)\s*([?:]?)")
_MAX_DEPTH: Final = 20
_SERVICE_COLUMNS: Final = 8  # name, type, private, unpriv, chroot, wakeup, maxproc, command
_CHROOT: Final = 4


@attrs.frozen
class Service:
    """A line of master.cf, and the value that holds for each setting in it."""

    name: str
    type: str
    chrooted: bool
    command: str
    settings: Mapping[str, str]

    def get(self, name: str) -> str:
        """Return the value of a setting, expanded; empty for one that is not known."""
        return _expand(self.settings.get(name, ""), self.settings, _MAX_DEPTH).strip()

    def is_on(self, name: str) -> bool:
        """Return whether a setting says yes."""
        return self.get(name).lower() == "yes"


def parse_services(main: str, services: str, options: str) -> list[Service]:
    """
    Return the services that master(8) starts.

    Args:
        main: What ``postconf -n`` prints.
        services: What ``postconf -M`` prints.
        options: What ``postconf -P`` prints.

    """
    settings = {**DEFAULTS, **_settings(main)}
    of_service: dict[str, dict[str, str]] = {}
    for path, value in _settings(options).items():
        service, _, name = path.rpartition("/")
        of_service.setdefault(service, {})[name] = value
    disabled = Service("", "", False, "", settings).get("master_service_disable").replace(",", " ").split()
    found = []
    for line in _logical_lines(services):
        columns = line.split(None, _SERVICE_COLUMNS - 1)
        if len(columns) < _SERVICE_COLUMNS:
            continue
        name, kind, command = columns[0], columns[1], columns[-1].split()[0]
        if not _matches(name, kind, disabled):
            found.append(
                Service(
                    name,
                    kind,
                    columns[_CHROOT] == "y",
                    command,
                    {**settings, **of_service.get(f"{name}/{kind}", {})},
                )
            )
    return found


def _logical_lines(text: str) -> Iterator[str]:
    """Yield the lines of *text*, with those that begin with a blank joined to the one before; no comments."""
    logical = ""
    for line in text.split("\n"):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if line[0].isspace():
            logical += line
            continue
        if logical:
            yield logical
        logical = line
    if logical:
        yield logical


def _settings(text: str) -> dict[str, str]:
    found = (_SETTING.fullmatch(line) for line in _logical_lines(text))
    return {match[1]: match[2].strip() for match in found if match}


def _matches(name: str, kind: str, patterns: list[str]) -> bool:
    """Return whether a service is among *patterns*: ``type``, ``name.type``, either with ``!`` for "not this one"."""
    for pattern in patterns:
        if pattern.removeprefix("!") in (kind, f"{name}.{kind}"):
            return not pattern.startswith("!")
    return False


def _expand(text: str, settings: Mapping[str, str], depth: int) -> str:
    """Return *text* with ``$name``, ``${name}``, ``${name?text}`` and ``${name?{text}:{text}}`` replaced."""
    if "$" not in text or depth == 0:
        return text
    expanded, at = "", 0
    while found := _REFERENCE.search(text, at):
        expanded += text[at : found.start()]
        at = found.end()
        if found[0] == "$$":
            expanded += "$"
        elif name := found[1] or found[2]:
            expanded += _expand(settings.get(name, ""), settings, depth - 1)
        else:
            end = _closing(text, at)
            expanded += _choose(text[at:end], settings, depth - 1)
            at = end + 1
    return expanded + text[at:]


def _closing(text: str, start: int) -> int:
    """Return the place of the brace that closes what was opened before *start*, or the end of *text*."""
    depth = 1
    for at in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        if depth == 0:
            return at
    return len(text)


def _choose(inner: str, settings: Mapping[str, str], depth: int) -> str:
    """Return the value of what stands between ``${`` and ``}``."""
    if not (found := _NAME.match(inner)):
        return ""  # a comparison: rare, and none of the settings looked at has one
    value = _expand(settings.get(found[1], ""), settings, depth)
    rest = inner[found.end() :].strip()
    if not found[2]:
        return value
    if rest.startswith("{"):
        end = _closing(rest, 1)
        first, second = rest[1:end].strip(), rest[end + 1 :].strip().removeprefix(":").strip()
        second = second[1:-1].strip() if second.startswith("{") else second
    else:
        first, second = rest, ""
    chosen = first if bool(value) == (found[2] == "?") else second
    return _expand(chosen, settings, depth)
