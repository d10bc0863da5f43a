# SPDX-License-Identifier: ISC
"""Who may import whom: the layers of the packages, as a table that is compared with the code."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("filter_ban", "opensmtpd", "postfix_policy")

# part of the code: what it must not import; a name covers everything below it
FORBIDDEN = {
    "opensmtpd": {"filter_ban", "postfix_policy", "aiosmtpd", "click", "rich"},
    "postfix_policy": {"filter_ban", "opensmtpd", "aiosmtpd", "click", "rich"},
    "filter_ban": {"filter_ban.cli"},
    "filter_ban.client": {"filter_ban.engine", "filter_ban.config", "attrs"},
    "filter_ban.model": {"filter_ban.engine", "filter_ban.config"},
    "filter_ban.config": {"filter_ban.engine", "filter_ban.ledger", "filter_ban.firewall", "asyncio"},
    "filter_ban.engine": {
        *("asyncio", "logging", "os", "random", "select", "socket", "subprocess", "sys", "threading", "time"),
        *(
            "filter_ban.daemon",
            "filter_ban.enforcer",
            "filter_ban.firewall",
            "filter_ban.ledger",
            "filter_ban.sensors",
        ),
        *("opensmtpd", "postfix_policy"),
    },
    "filter_ban.firewall": {
        *("asyncio", "opensmtpd", "postfix_policy"),
        *(
            "filter_ban.daemon",
            "filter_ban.enforcer",
            "filter_ban.engine",
            "filter_ban.ledger",
            "filter_ban.sensors",
        ),
    },
    "filter_ban.ledger": {
        *("asyncio", "subprocess", "opensmtpd", "postfix_policy"),
        *(
            "filter_ban.daemon",
            "filter_ban.enforcer",
            "filter_ban.engine",
            "filter_ban.firewall",
            "filter_ban.sensors",
        ),
    },
    "filter_ban.metrics": {
        *("asyncio", "logging", "os", "socket", "subprocess", "sys", "threading", "time"),
        *(
            "filter_ban.config",
            "filter_ban.daemon",
            "filter_ban.enforcer",
            "filter_ban.engine",
            "filter_ban.firewall",
            "filter_ban.ledger",
            "filter_ban.sensors",
        ),
    },
    "filter_ban.sensors": {
        *(
            "subprocess",
            "filter_ban.daemon",
            "filter_ban.enforcer",
            "filter_ban.firewall",
            "filter_ban.ledger",
        ),
    },
    "filter_ban.doctor": {
        "filter_ban.daemon",
        "filter_ban.enforcer",
        "filter_ban.engine",
        "filter_ban.ledger",
        "filter_ban.sensors",
    },
    "filter_ban.setup": {
        "asyncio",
        "filter_ban.daemon",
        "filter_ban.doctor",
        "filter_ban.enforcer",
        "filter_ban.engine",
        "filter_ban.ledger",
        "filter_ban.sensors",
    },
    "filter_ban.exchange": {
        "asyncio",
        "filter_ban.daemon",
        "filter_ban.doctor",
        "filter_ban.enforcer",
        "filter_ban.engine",
        "filter_ban.ledger",
        "filter_ban.sensors",
        "filter_ban.setup",
    },
    "filter_ban.hooks": {
        "asyncio",
        "filter_ban.daemon",
        "filter_ban.doctor",
        "filter_ban.enforcer",
        "filter_ban.engine",
        "filter_ban.ledger",
        "filter_ban.sensors",
        "filter_ban.setup",
    },
    "filter_ban.report": {
        "asyncio",
        "filter_ban.daemon",
        "filter_ban.enforcer",
        "filter_ban.firewall",
        "filter_ban.sensors",
    },
    "filter_ban.cluster": {
        *("asyncio", "logging", "os", "random", "select", "socket", "subprocess", "sys", "threading", "time"),
        "filter_ban.courier",
        "filter_ban.daemon",
        "filter_ban.enforcer",
        "filter_ban.firewall",
        "filter_ban.ledger",
        "filter_ban.sensors",
    },
    "filter_ban.courier": {
        "filter_ban.daemon",
        "filter_ban.enforcer",
        "filter_ban.engine",
        "filter_ban.firewall",
        "filter_ban.ledger",
        "filter_ban.sensors",
    },
    "filter_ban.daemon": {"subprocess", "filter_ban.enforcer", "filter_ban.firewall"},
    "filter_ban.enforcer": {
        "asyncio",
        "filter_ban.daemon",
        "filter_ban.engine",
        "filter_ban.ledger",
        "filter_ban.sensors",
    },
}

# what only these parts may import
RESERVED = {
    "aiohttp": {"filter_ban.daemon.dovecot", "filter_ban.daemon.http_server", "filter_ban.daemon.metrics"},
    "aiosmtpd": {"filter_ban.daemon.decoy", "filter_ban.sensors.aiosmtpd", "filter_ban.demo"},
    "click": {"filter_ban.cli"},
    "maxminddb": {"filter_ban.report.geo"},
    "redis": {"filter_ban.courier", "filter_ban.doctor.store_visit"},
    "rich": {"filter_ban.cli", "filter_ban.demo"},
    "sqlite3": {"filter_ban.exchange.fail2ban", "filter_ban.ledger"},
    "subprocess": {
        "filter_ban.firewall.runner",
        "filter_ban.enforcer.engine_process",
        "filter_ban.child_process",
        "opensmtpd.testing",
    },
    "filter_ban.courier": {"filter_ban.courier", "filter_ban.daemon.cluster", "filter_ban.daemon.couriers"},
    "filter_ban.cli": {"filter_ban.cli", "filter_ban.__main__"},
}

PURE = {"asyncio", "logging", "os", "socket", "subprocess", "sys", "threading", "time"}
SHELLS = {"aio", "testing", "_fake_smtpd"}


def modules() -> Iterator[tuple[str, Path]]:
    """Yield each module's name and file."""
    for package in PACKAGES:
        for file in sorted((ROOT / package).rglob("*.py")):
            yield ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"), file


def imports(module: str, file: Path) -> set[str]:
    """Return the full names that a module imports, wherever in it; of ``from a import b`` both a and a.b."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            assert node.module is not None
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def within(name: str, part: str) -> bool:
    """Return whether *name* is *part* or below it."""
    return name == part or name.startswith(f"{part}.")


MODULES = dict(modules())


@pytest.mark.parametrize("module", MODULES)
def test_layers(module: str) -> None:
    """No module imports what its part must not know."""
    used = imports(module, MODULES[module])
    forbidden = {
        name
        for part, names in FORBIDDEN.items()
        if within(module, part)
        for name in names
        if not within(module, name)
    } - ({"filter_ban.cli"} if module == "filter_ban.__main__" else set())

    assert {name for name in used if any(within(name, other) for other in forbidden)} == set()


@pytest.mark.parametrize("module", MODULES)
def test_reserved(module: str) -> None:
    """What few may use is used by them alone."""
    used = imports(module, MODULES[module])
    allowed = {name for name, parts in RESERVED.items() if any(within(module, part) for part in parts)}

    assert {name for name in used if any(within(name, other) for other in RESERVED.keys() - allowed)} == set()


@pytest.mark.parametrize(
    "module", [name for name in MODULES if name.split(".")[0] in ("opensmtpd", "postfix_policy")]
)
def test_protocol_cores_do_no_io(module: str) -> None:
    """Only the shells of the protocol packages know sockets, clocks and logs."""
    if module.rpartition(".")[2] not in SHELLS:
        assert imports(module, MODULES[module]) & PURE == set()


@pytest.mark.parametrize("package", PACKAGES[1:])
def test_all_is_what_is_imported(package: str) -> None:
    """``__all__`` names exactly what the package's head imports."""
    tree = ast.parse((ROOT / package / "__init__.py").read_bytes())
    imported = {
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    (listed,) = (
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    )

    assert set(listed) == imported
