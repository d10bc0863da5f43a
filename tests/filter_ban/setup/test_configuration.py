# SPDX-License-Identifier: ISC
"""``firewall.backend`` in the text of our configuration."""

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_ban.config.schema import BACKENDS
from filter_ban.setup.configuration import with_backend
from filter_ban.setup.files import SetupError

FILE = "/etc/filter-ban.toml"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", '[firewall]\nbackend = "pf"\n'),
        ("# mine", '# mine\n\n[firewall]\nbackend = "pf"\n'),
        ('mode = "watch"\n', 'mode = "watch"\n\n[firewall]\nbackend = "pf"\n'),
        ("[limits]\r\n", '[limits]\r\n\r\n[firewall]\r\nbackend = "pf"\r\n'),
        ("[firewall]\nports = [25]\n", '[firewall]\nbackend = "pf"\nports = [25]\n'),
        ("[ firewall ] # c", '[ firewall ] # c\nbackend = "pf"\n'),
        ('[firewall]\n  backend="none" # c\n[never]\n', '[firewall]\n  backend="pf" # c\n[never]\n'),
        ("[firewall]\nbackend = 'none'\n", '[firewall]\nbackend = "pf"\n'),
        ('[firewall]\nbackend = [\n  "route",\n  "ufw",\n]\n', '[firewall]\nbackend = "pf"\n'),
        ('firewall.backend = "none"\n', 'firewall.backend = "pf"\n'),
        (
            '[firewall]\n#backend = "ufw"\nports = []',
            '[firewall]\nbackend = "pf"\n#backend = "ufw"\nports = []',
        ),
        (
            'reply.banned = """421 4.7.0\\\n[firewall]\\\nbackend = "none"\\\n"""\n[firewall]\nbackend = "none"\n',
            'reply.banned = """421 4.7.0\\\n[firewall]\\\nbackend = "none"\\\n"""\n[firewall]\nbackend = "pf"\n',
        ),
    ],
)
def test_set(text: str, expected: str) -> None:
    """The line is added or its value replaced, and nothing else changes."""
    assert with_backend(text, "pf", FILE) == expected
    assert with_backend(expected, "pf", FILE) == expected


@pytest.mark.parametrize("value", ['"pf"', "'pf'", '["route", "pf"]', '[ # c\n"pf" ]'])
def test_named_already(value: str) -> None:
    """What names the firewall already, alone or among others, stays as it is."""
    text = f"[firewall]\nbackend = {value}\n"
    assert with_backend(text, "pf", FILE) == text


@pytest.mark.parametrize(
    "text",
    [
        'firewall = { backend = "none" }\n',
        "firewall.ports = [25]\n",
        '[firewall]\n"backend" = "none"\n',
        '["firewall"]\nports = []\n',
        '[firewall]\nbackend = [\n  "ufw", # on the gateway\n]\n',
        '[firewall]\nbackend = """ufw"""\n',
    ],
)
def test_not_safe(text: str) -> None:
    """A text that we could only guess about is left to the administrator, who is told the line."""
    with pytest.raises(SetupError, match=r'^/etc/filter-ban\.toml: .*; write: backend = "pf"$'):
        with_backend(text, "pf", FILE)


def test_contradiction() -> None:
    """What the configuration does not allow beside the firewall is told with key and rule."""
    with pytest.raises(
        SetupError, match=r"^/etc/filter-ban\.toml: firewall\.ports = .*a route knows no ports"
    ):
        with_backend("[firewall]\nports = [25]\n", "route", FILE)


COMMENTS = ["", " # c", " # [firewall]", ' # backend = "none"']
BACKEND_LINES = ['backend = "none"', "backend='ufw'", 'backend = ["nftables",\n"route"]']
# What may be missing afterwards: the lines of a value, with the comment behind it.
VALUE_LINES = {
    piece for line in BACKEND_LINES for comment in COMMENTS for piece in f"{line}{comment}".splitlines()
}
COMMENT = st.sampled_from(COMMENTS)
GAP = st.sampled_from(["", "\n", "# backend = 'x'\n", "# [firewall]\n\n", "  \t\n"])
FIREWALL_LINES = st.lists(
    st.sampled_from([*BACKEND_LINES, "ports = []", 'action = "reject"', 'table = "backend"']),
    unique_by=lambda line: line.split("=")[0].strip(),
)
OTHERS = st.lists(
    st.sampled_from(
        [
            "[limits]\nmax_clients = 1000",
            '[users]\ntraps = ["backend", """\n[firewall]\nbackend = "none"\n"""]',
            "[never.widest]\nipv4 = 20",
            "[[override]]\nservices = [\"backend = 'pf'\"]",
            "[ban]",
        ]
    ),
    unique=True,
)


@st.composite
def configurations(draw: st.DrawFn) -> str:
    """Draw configurations of many forms, all of them good."""
    tables = draw(OTHERS)
    if draw(st.booleans()):
        lines = [line + draw(COMMENT) for line in draw(FIREWALL_LINES)]
        tables.insert(draw(st.integers(0, len(tables))), "\n".join([f"[firewall]{draw(COMMENT)}", *lines]))
    text = "".join(
        f"{draw(GAP)}{table}\n" for table in [draw(st.sampled_from(["", 'mode = "watch"'])), *tables]
    )
    text = text.removesuffix("\n") if draw(st.booleans()) else text
    return text.replace("\n", "\r\n") if draw(st.booleans()) else text


@given(text=configurations(), backend=st.sampled_from([name for name in BACKENDS if name != "helper"]))
def test_nothing_else_changes(text: str, backend: str) -> None:
    """The document differs in this one key, and the text in one place; a second time changes nothing."""
    new = with_backend(text, backend, FILE)

    before, after = tomllib.loads(text), tomllib.loads(new)
    named = after["firewall"]["backend"]
    assert backend in (named if isinstance(named, list) else [named])
    assert _without_backend(after) == _without_backend(before)
    assert set(map(str.strip, text.splitlines())) - set(map(str.strip, new.splitlines())) <= VALUE_LINES
    assert len(new) - len(text) <= len("[firewall]\r\n" + 2 * "\r\n") + len('backend = "nftables"\r\n')
    assert with_backend(new, backend, FILE) == new


def _without_backend(document: dict[str, Any]) -> dict[str, Any]:
    rest = {name: value for name, value in document.items() if name != "firewall"}
    firewall = {name: value for name, value in document.get("firewall", {}).items() if name != "backend"}
    return rest | ({"firewall": firewall} if firewall else {})
