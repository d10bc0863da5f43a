# SPDX-License-Identifier: ISC
"""The Debian package: what is in it, and that it needs what pyproject.toml needs."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any, Final

import pytest
from packaging.requirements import Requirement

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = ROOT / "packaging/debian"
DEBIAN_NAMES: Final = {"attrs": "attr"}
ENVIRONMENT: Final = {"PATH": "/usr/bin:/bin", "SOURCE_DATE_EPOCH": "1700000000"}
SCRIPTS: Final = ("build", "postinst", "postrm", "prerm")


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the package, built from this checkout."""
    if shutil.which("dpkg-deb") is None:
        pytest.skip("only where there is dpkg-deb")
    return build(tmp_path_factory.mktemp("package"))


def build(folder: Path) -> Path:
    """Build the package into *folder*; return its path."""
    subprocess.run(
        [FOLDER / "build", folder], check=True, timeout=60, stdout=subprocess.DEVNULL, env=ENVIRONMENT
    )
    (package,) = folder.iterdir()
    return package


def inspect(package: Path, *options: str) -> str:
    """Return what dpkg-deb tells of the package."""
    return subprocess.run(
        ["dpkg-deb", *options, package], check=True, timeout=60, capture_output=True, text=True
    ).stdout


def project() -> dict[str, Any]:
    """Return the project's table of pyproject.toml."""
    table: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return table


def test_dependencies() -> None:
    """The package depends on the libraries of pyproject.toml, in the same versions, recommends those of the extra http, and suggests the cluster's."""
    control = (FOLDER / "control").read_text()
    found = dict(re.findall(r"python3-(\w+) \(>= ([\d.]+)\)", control))
    extras = project()["optional-dependencies"]
    wanted = [*project()["dependencies"], *extras["http"], *extras["cluster"]]
    requirements = [Requirement(text) for text in wanted]
    assert found == {
        DEBIAN_NAMES.get(needed.name, needed.name): str(needed.specifier).removeprefix(">=")
        for needed in requirements
    }
    assert f"python3 ({project()['requires-python']})".replace(">=", ">= ") in control


def test_contents(package: Path) -> None:
    """All modules, the units, the pages and a configuration are in it; all belongs to root and only programs are executable."""
    rows = [line.split() for line in inspect(package, "--contents").splitlines()]
    files = {row[5].removeprefix(".") for row in rows if not row[5].endswith("/")}
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "filter_ban").rglob("*.py")}
    assert {f"/usr/lib/python3/dist-packages/{module}" for module in modules} <= files
    assert {path for path in files if not path.startswith("/usr/lib/python3/")} == {
        "/etc/filter-ban.toml",
        "/usr/bin/filter-ban",
        "/usr/lib/systemd/system/filter-ban-blocklistd.socket",
        "/usr/lib/systemd/system/filter-ban.service",
        "/usr/lib/sysusers.d/filter-ban.conf",
        "/usr/lib/tmpfiles.d/filter-ban.conf",
        "/usr/share/doc/filter-ban/README.md",
        "/usr/share/doc/filter-ban/changelog.Debian.gz",
        "/usr/share/doc/filter-ban/changelog.gz",
        "/usr/share/doc/filter-ban/copyright",
        "/usr/share/man/man1/filter-ban.1.gz",
        "/usr/share/man/man5/filter-ban.toml.5.gz",
        "/usr/share/man/man7/filter-ban-firewall.7.gz",
        "/usr/share/man/man8/filter-ban-opensmtpd.8.gz",
    }
    assert {row[1] for row in rows} == {"root/root"}
    modes = {(row[0], row[5].endswith("/")) for row in rows if row[5] != "./usr/bin/filter-ban"}
    assert modes == {("drwxr-xr-x", True), ("-rw-r--r--", False)}
    assert inspect(package, "--info").count("/etc/filter-ban.toml") == 0  # a configuration file, not data
    assert inspect(package, "--field").startswith("Package: filter-ban\n")


def test_reproducible(package: Path, tmp_path: Path) -> None:
    """The same files make the same package, byte for byte."""
    assert build(tmp_path).read_bytes() == package.read_bytes()


@pytest.mark.parametrize("script", SCRIPTS)
def test_syntax(script: str) -> None:
    """The scripts are plain sh."""
    subprocess.run(["sh", "-n", FOLDER / script], check=True, timeout=10)
