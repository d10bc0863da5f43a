# SPDX-License-Identifier: ISC
"""The rules of blocklistd as a configuration of filter-ban that does the same, with what it cannot say in comments."""

from collections.abc import Iterator, Sequence
from typing import Final

from filter_ban.client import IPV4_BITS, ClientKey, is_ipv4, key_text, prefix_of
from filter_ban.config.values import MAX_DURATION_S, duration_text
from filter_ban.exchange.blocklistd import ANY, IPV6, TCP, UDP, Rule, Rules
from filter_ban.exchange.overrides import Override, Scope, make_overrides, unseen
from filter_ban.text import excerpt

SERVICE: Final = "blocklistd"  # what the sensor calls all it hears of; "22/tcp" follows
MEMORY_S: Final = 30 * 86_400  # window of rules whose bans have no end
MAX_NFAIL: Final = 1000
_CLIENT_PREFIX: Final = 64  # limits.ipv6_prefix by default
_PROTOCOLS: Final = {ANY: "", TCP: "/tcp", UDP: "/udp"}

_HEAD: Final = """\
# What {origin} says to blocklistd, for filter-ban. To put into /etc/filter-ban.toml:
# a table that is there already, such as [never], must not be repeated.
#
# What is different, and not said by these lines:
# - Since 2025 blocklistd counts 2 for a failed login, so that nfail 3 blocks at the second one. Here it counts 1, as a
#   bad user does, and nfail is written as it stands: "3 in 6h" bans at the third. For blocklistd's pace, halve it.
# - Whoever was banned within ban.forget is banned again sooner; with limits.relapse = 1 it is as in blocklistd.
# - A ban lasts from the failure that caused it, not from the last one.
# - A ban closes the ports of firewall.ports, or all, not only the port of the failure.
"""
_USERS: Final = "# - blocklistd.users must name the owners in the rules: {}.\n"
_REST: Final = "what no rule fits is not counted"
_EVERYTHING: Final = Scope(None, ANY, ANY)


def translate(rules: Rules, origin: str) -> str:
    """
    Return a configuration in TOML.

    Args:
        rules: What blocklistd would go by.
        origin: Name of their file.

    Raises:
        ImportFault: it would be too long.

    """
    never, overrides = make_overrides(rules.local, rules.remote)
    used = {rule for override in overrides for rule in override.rules} | {*never}
    unused = [rule for rule in (*rules.remote, *rules.local) if rule not in used]
    return "".join(_document(origin, overrides, never, unused, rules))


def _document(
    origin: str, overrides: Sequence[Override], never: Sequence[Rule], unused: Sequence[Rule], rules: Rules
) -> Iterator[str]:
    yield _HEAD.format(origin=excerpt(origin))
    owners = sorted({rule.owner for rule in (*rules.local, *rules.remote)} - {"*", "="})
    if owners:
        yield _USERS.format(excerpt(", ".join(owners)))
    if rules.faults or unused:
        yield "#\n# Not translated:\n"
    for fault in rules.faults:
        yield f"# - {fault.place}: {fault.why}\n"
    for rule in unused:
        yield f"# - {rule.place}: {rule.text}: {_why_unused(rule)}\n"
    if never:
        yield "\n[never]\nnetworks = [\n"
        for rule in never:
            yield f'    "{_text(rule.network)}",  # {rule.place}: {rule.text}\n'
        yield "]\n"
    for override in overrides:
        yield from _table(override)
    if not any(override.scope.covers(_EVERYTHING) for override in overrides):
        yield f'\n[[override]]  # {_REST}\nservices = ["{SERVICE}"]\nfactor = 0\n'


def _table(override: Override) -> Iterator[str]:
    yield "\n[[override]]\n"
    for rule in override.rules:
        yield f"# {rule.place}: {rule.text}\n"
        for remark in _remarks(rule):
            yield f"#   {remark}\n"
    if override.scope.network is not None:
        yield f'networks = ["{_text(override.scope.network)}"]\n'
    yield f'services = ["{_service(override.scope)}"]\n'
    if override.nfail == ANY:
        yield "factor = 0\n"
        return
    endless = override.disable_s == ANY or override.disable_s > MAX_DURATION_S
    if endless:
        yield f"# blocklistd never forgets such failures; here they count for {duration_text(MEMORY_S)}\n"
    length = duration_text(max(1, override.disable_s))
    if override.nfail > MAX_NFAIL:
        yield f"# {override.nfail} is above the highest limit\n"
    yield f'windows = ["{min(max(1, override.nfail), MAX_NFAIL)} in {duration_text(MEMORY_S) if endless else length}"]\n'
    yield f'ladder = ["{"forever" if endless else length}"]\n'


def _service(scope: Scope) -> str:
    return SERVICE if scope.port == ANY else f"{SERVICE} {scope.port}{_PROTOCOLS[scope.kind]}"


def _text(network: ClientKey | None) -> str:
    return "" if network is None else key_text(network)


def _remarks(rule: Rule) -> Iterator[str]:
    """Yield what is not said of *rule* in keys."""
    hidden = unseen(rule)
    if hidden:
        yield f"{hidden} is not seen: it holds whatever that is"
    if rule.kind == TCP and rule.port == ANY:
        yield "it holds for UDP too"
    if rule.prefix >= 0:
        four = (
            rule.prefix <= IPV4_BITS
            and (rule.network is None or is_ipv4(rule.network))
            and rule.family != IPV6
        )
        key = f"limits.ipv{4 if four else 6}_prefix"
        yield f"clients are cut to /{rule.prefix}; for all services alike: {key} = {rule.prefix}"
    if rule.network is not None and prefix_of(rule.network) > _CLIENT_PREFIX:
        yield f"it fits nobody while IPv6 clients are counted by /{_CLIENT_PREFIX}; see limits.ipv6_prefix"


def _why_unused(rule: Rule) -> str:
    hidden = unseen(rule)
    if hidden:
        return f"{hidden} is not seen, and another rule is for the rest"
    return "never reached: other rules come first, or no local rule meets it"
