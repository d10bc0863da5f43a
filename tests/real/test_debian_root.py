# SPDX-License-Identifier: ISC
"""A root folder is complete or absent, whoever was killed while making it; with stand-ins for Debian's tools."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.real.debian_root import ROOTS, DebianRoot, RootUnavailableError, main

ROOT = DebianRoot("a server", "trixie", ("a-server",))
MMDEBSTRAP = """\
#!/bin/sh
echo "$@" >> "{log}"
for folder; do last=$before; before=$folder; done
mkdir "$last" && sleep 0.2 && touch "$last/complete"
"""
TARGETS = """\
#!/bin/sh
echo "bookworm-security main Debian http://security.example.org/"
echo "nodistro main Somebody https://packages.example.org/"
echo "bookworm main Debian http://mirror.example.org/debian/"
"""
SETTINGS = "#!/bin/sh\necho 'Acquire::http::Proxy \"http://proxy.example.org:3142\";'\n"
BROKEN = "#!/bin/sh\necho no space >&2; exit 3\n"


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put stand-ins for mmdebstrap and apt on the path, and a fresh cache; return what mmdebstrap was told."""
    log = tmp_path / "log"
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("FILTER_BAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    programs = {"mmdebstrap": MMDEBSTRAP.format(log=log), "apt-get": TARGETS, "apt-config": SETTINGS}
    for name, text in programs.items():
        program(tmp_path / name, text)
    return log


def program(path: Path, text: str) -> None:
    """Write an executable file."""
    path.write_text(text)
    path.chmod(0o755)


def test_made_once_from_the_mirror_of_apt(log: Path) -> None:
    """The first call makes the folder with apt's own mirror and proxy; the second finds it."""
    assert ROOT.prepare() == ROOT.prepare() == ROOT.folder()
    (call,) = log.read_text().splitlines()
    assert call.endswith("deb http://mirror.example.org/debian/ trixie main")
    assert "--include=a-server" in call
    assert '--aptopt=Acquire::http::Proxy "http://proxy.example.org:3142";' in call


def test_a_half_made_folder_is_made_again(log: Path) -> None:
    """What a killed run left is removed, and never taken for a root folder."""
    partial = ROOT.folder().with_name(f"{ROOT.folder().name}.partial")
    (partial / "etc").mkdir(parents=True)
    assert [path.name for path in ROOT.prepare().iterdir()] == ["complete"]
    assert not partial.exists()


def test_two_at_once(log: Path) -> None:
    """Of two that need the folder at once one makes it and the other waits for it."""
    with ThreadPoolExecutor(2) as pool:
        folders = list(pool.map(lambda _: ROOT.prepare(), range(2)))
    assert folders == [ROOT.folder()] * 2
    assert len(log.read_text().splitlines()) == 1


@pytest.mark.parametrize(
    ("break_it", "reason"),
    [
        (lambda folder: program(folder / "mmdebstrap", BROKEN), "no space"),
        (lambda folder: program(folder / "apt-get", "#!/bin/sh\n"), "apt-get update"),
    ],
)
def test_failures_are_told(log: Path, tmp_path: Path, break_it: Callable[[Path], None], reason: str) -> None:
    """Where the folder cannot be made the error says why, and nothing is left under its name."""
    break_it(tmp_path)
    with pytest.raises(RootUnavailableError, match=reason):
        ROOT.prepare()
    assert not ROOT.folder().exists()


def test_the_script_makes_all(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every root folder has a place of its own, and its path is printed."""
    assert main() == 0
    assert set(capsys.readouterr().out.splitlines()) == {str(root.folder()) for root in ROOTS}
    assert len({root.folder() for root in ROOTS}) == len(ROOTS)


def test_the_script_names_what_is_missing(
    log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One root folder that cannot be made keeps no other from being made, and is named."""
    have, missing = ROOTS[:-1], ROOTS[-1]
    for root in have:
        root.prepare()
    program(tmp_path / "mmdebstrap", BROKEN)
    assert main() == 1
    told = capsys.readouterr()
    assert set(told.out.splitlines()) == {str(root.folder()) for root in have}
    assert f"no root folder with {missing}: mmdebstrap failed (3): no space" in told.err
