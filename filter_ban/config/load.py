# SPDX-License-Identifier: ISC
"""From a TOML file to a Config: strict, and every fault is reported at once with file, key, value and rule."""

import tomllib
from pathlib import Path
from typing import Any, Final, TypeVar

import attrs

from filter_ban.config.cluster import Cluster
from filter_ban.config.schema import IPSET_BACKENDS, Config, Firewall
from filter_ban.text import excerpt

DEFAULT_PATH: Final = Path("/etc/filter-ban.toml")
_T = TypeVar("_T")


@attrs.frozen
class Fault:
    """One broken rule: the key's full name, the value as written, the rule in words."""

    key: str
    value: object
    rule: str

    def __str__(self) -> str:
        shown = "" if self.value is None else f" = {excerpt(repr(self.value))}"
        return f"{self.key}{shown}: {self.rule}"


class ConfigError(Exception):
    """A configuration that cannot be used; ``faults`` holds everything that is wrong with it."""

    def __init__(self, file: str, faults: list[Fault]) -> None:
        super().__init__("\n".join(f"{file}: {fault}" for fault in faults))
        self.file = file
        self.faults = faults


def load_config(path: Path | None) -> tuple[Config, str, str]:
    """
    Read the configuration.

    Args:
        path: A file that must exist, or None for the default file, which need not.

    Returns: the configuration, the name of its file ("defaults" without one), and the file's text.

    Raises:
        ConfigError: it cannot be read or used.

    """
    file = DEFAULT_PATH if path is None else path
    try:
        content = file.read_bytes().decode()
    except FileNotFoundError:
        if path is None:
            return Config(), "defaults", ""
        raise ConfigError(str(file), [Fault("file", None, "does not exist")]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(str(file), [Fault("file", None, _why_unread(error))]) from None
    return parse_config(content, str(file)), str(file), content


def _why_unread(error: OSError | UnicodeDecodeError) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "cannot be read: it is not UTF-8"
    remedy = "; try again as root" if isinstance(error, PermissionError) else ""
    return f"cannot be read: {error.strerror}{remedy}"


def parse_config(content: str, file: str = "configuration") -> Config:
    """
    Return the configuration that *content* describes.

    Raises:
        ConfigError: it is no TOML, or breaks rules; all of them are named.

    """
    try:
        document = tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(file, [Fault("syntax", None, str(error))]) from None
    faults: list[Fault] = []
    config = _build(Config, document, "", faults)
    if not faults:
        faults = _contradictions(config)
    if faults:
        raise ConfigError(file, faults)
    return config


def _build(cls: type[_T], document: dict[str, Any], prefix: str, faults: list[Fault]) -> _T:
    fields = {field.name: field for field in attrs.fields(cls)}  # type: ignore[arg-type]  # each is an attrs class
    given: dict[str, Any] = {}
    for name, value in document.items():
        field = fields.get(name)
        if field is None:
            from difflib import get_close_matches  # noqa: PLC0415 - only who has mistyped something needs it

            near = get_close_matches(name, fields, n=1)
            hint = f"; did you mean {prefix}{near[0]}?" if near else ""
            faults.append(Fault(prefix + name, None, f"unknown key{hint}"))
        elif "table" in field.metadata:
            if isinstance(value, dict):
                given[name] = _build(field.metadata["table"], value, f"{prefix}{name}.", faults)
            else:
                faults.append(Fault(prefix + name, value, f"must be a table: [{prefix}{name}]"))
        elif "tables" in field.metadata:
            if isinstance(value, list) and all(isinstance(one, dict) for one in value):
                given[name] = tuple(
                    _build(field.metadata["tables"], one, f"{prefix}{name}[{place}].", faults)
                    for place, one in enumerate(value)
                )
            else:
                faults.append(Fault(prefix + name, value, f"must be an array of tables: [[{prefix}{name}]]"))
        else:
            try:
                given[name] = field.metadata["parse"](value)
            except ValueError as error:
                faults.append(Fault(prefix + name, value, str(error)))
    return cls(**given)


def _contradictions(config: Config) -> list[Fault]:
    faults = []
    limits, widest = config.limits, config.never.widest
    for name, prefix, bound in (
        ("ipv4", limits.ipv4_prefix, widest.ipv4),
        ("ipv6", limits.ipv6_prefix, widest.ipv6),
    ):
        if prefix < bound:
            faults.append(
                Fault(f"limits.{name}_prefix", prefix, f"is wider than never.widest.{name} = {bound}")
            )
    faults += _firewall_contradictions(config.firewall)
    faults += _cluster_contradictions(config.cluster)
    dovecot = config.dovecot
    exposed = [endpoint for endpoint in dovecot.listen if not endpoint.is_loopback]
    if exposed and dovecot.secret_file is None:
        rule = "must be loopback or a unix socket unless dovecot.secret_file is set"
        faults.append(Fault("dovecot.listen", str(exposed[0]), rule))
    ladders = {"ban.ladder": config.ban.ladder} | {
        f"override[{number}].ladder": override.ladder for number, override in enumerate(config.override)
    }
    for name, ladder in ladders.items():
        ends = [float("inf") if length is None else length for length in ladder]
        if ends != sorted(ends):
            faults.append(Fault(name, [*ladder], "must not fall from one offence to the next"))
    return faults


def _firewall_contradictions(firewall: Firewall) -> list[Fault]:
    faults = []
    chosen = firewall.backend
    if firewall.anchor and "pf" not in chosen:
        faults.append(Fault("firewall.anchor", firewall.anchor, 'only firewall.backend = "pf" has anchors'))
    if firewall.ports and "route" in chosen:
        rule = 'must be empty with firewall.backend = "route": a route knows no ports'
        faults.append(Fault("firewall.ports", [*firewall.ports], rule))
    if "helper" in chosen and firewall.helper is None:
        faults.append(Fault("firewall.helper", "", 'must be the program of firewall.backend = "helper"'))
    if len(same := [name for name in chosen if name in IPSET_BACKENDS]) > 1:
        faults.append(Fault("firewall.backend", same, "must name one of these: they fill the same sets"))
    return faults


def _cluster_contradictions(cluster: Cluster) -> list[Fault]:
    faults = []
    if cluster.stores and cluster.key_file is None:
        rule = "is needed with cluster.stores: without it, whoever can write there could ban anybody"
        faults.append(Fault("cluster.key_file", "", rule))
    if len(cluster.stores) > cluster.shards:
        rule = f"must be at least the number of cluster.stores, {len(cluster.stores)}"
        faults.append(Fault("cluster.shards", cluster.shards, rule))
    if cluster.certificate_file is not None and cluster.certificate_key_file is None:
        rule = "needs its private key: cluster.certificate_key_file"
        faults.append(Fault("cluster.certificate_file", str(cluster.certificate_file), rule))
    if cluster.certificate_key_file is not None and cluster.certificate_file is None:
        rule = "needs the certificate whose key it is: cluster.certificate_file"
        faults.append(Fault("cluster.certificate_key_file", str(cluster.certificate_key_file), rule))
    return faults
