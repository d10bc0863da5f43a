# SPDX-License-Identifier: ISC
"""The console script's target."""

import sys
import types
from pathlib import Path

import pytest

from filter_ban.__main__ import main


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["filter-ban", "opensmtpd", "--help"], "filter_ban.relay"),
        (["filter-ban", "serve", "-c", "x"], "filter_ban.cli"),
        (["filter-ban", "status"], "filter_ban.cli"),
        (["filter-ban", "--json", "opensmtpd"], "filter_ban.cli"),
        (["filter-ban"], "filter_ban.cli"),
    ],
)
def test_dispatch(argv: list[str], expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The relay is told by the first argument; what is neither it nor a plain serve is for the command line."""
    called = []
    for name in ("filter_ban.relay", "filter_ban.cli"):
        module = types.ModuleType(name)
        module.main = lambda *_, name=name: called.append(name)  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(sys, "argv", argv)
    main()
    assert called == [expected]


@pytest.mark.parametrize(
    ("options", "config", "log_json"),
    [
        ([], None, False),
        (["--log-json"], None, True),
        (["--config", "/etc/x.toml"], Path("/etc/x.toml"), False),
        (["--config", "/etc/x.toml", "--log-json"], Path("/etc/x.toml"), True),
    ],
)
def test_serve(
    options: list[str], config: Path | None, log_json: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The daemon starts without the command line, and its status is the program's."""
    module = types.ModuleType("filter_ban.enforcer.main")
    module.serve = lambda *given, **options: (given, options)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(sys, "argv", ["filter-ban", "serve", *options])

    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == ((config,), {"log_json": log_json})  # type: ignore[comparison-overlap]  # what serve returned
