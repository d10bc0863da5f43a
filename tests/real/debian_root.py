# SPDX-License-Identifier: ISC
"""
The root folders of small Debian systems with mail servers: each made once and kept, never written to by a test.

Run as a script (``python tests/real/debian_root.py``) it makes those that are missing and prints their paths. The servers
of the machine itself would not do: there are two releases to test on, OpenSMTPD and Postfix exclude each other, and
Debian 12's OpenSMTPD fails every TLS handshake and so never offers AUTH.
"""

import fcntl
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import attrs

CHECKOUT: Final = Path(__file__).resolve().parents[2]
BUILD_TIMEOUT_S: Final = 900  # 70 s for three at once beside a near mirror
BUILT_AT_ONCE: Final = 3
SOURCES_FORMAT: Final = "$(CODENAME) $(COMPONENT) $(ORIGIN) $(REPO_URI)"
_COMMON_PACKAGES: Final = (
    "ca-certificates",
    "dovecot-core",
    "dovecot-imapd",
    "iproute2",
    "nftables",
    "python3",
    "python3-aiohttp",  # partly compiled: the one dependency that cannot be copied from the Python that runs the tests
)


class RootUnavailableError(Exception):
    """A root folder is missing and cannot be made here; the text says why and what to do."""


@attrs.frozen
class DebianRoot:
    """A Debian release with a choice of its packages."""

    name: str  # what is on it, as in the names of tests
    suite: str
    packages: tuple[str, ...]
    last_step: str = ""  # a shell command, run inside when all is installed

    def __str__(self) -> str:
        return self.name

    def folder(self) -> Path:
        """Return where the root folder is or will be; other contents have another place."""
        digest = hashlib.sha256(" ".join([*self.packages, self.last_step]).encode()).hexdigest()
        return cache_folder() / f"{self.suite}-{digest[:8]}"

    def prepare(self) -> Path:
        """
        Return the root folder, made first where it is missing.

        A folder under its final name is complete. Several processes may ask at once: one builds, the others wait.

        Raises:
            RootUnavailableError: it is missing, and this user or machine cannot make it.

        """
        folder = self.folder()
        if folder.is_dir():
            return folder
        _check_means()
        cache_folder().mkdir(parents=True, exist_ok=True)
        with _locked(folder.with_name(f"{folder.name}.lock")):
            if not folder.is_dir():
                self._build(folder)
        return folder

    def _build(self, folder: Path) -> None:
        """Make *folder* under another name and move it in place when it is complete."""
        partial = folder.with_name(f"{folder.name}.partial")
        if partial.exists():  # an earlier run was killed
            shutil.rmtree(partial)
        argv = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(self.packages)}"]
        argv += [f"--aptopt={line}" for line in _proxy_settings()]
        if self.last_step:
            argv.append(f'--customize-hook=chroot "$1" {self.last_step}')
        argv += [self.suite, str(partial), f"deb {_mirror()} {self.suite} main"]
        print(shlex.join(argv), file=sys.stderr)
        try:
            done = subprocess.run(
                argv,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=BUILD_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise RootUnavailableError(f"mmdebstrap took longer than {BUILD_TIMEOUT_S} s") from None
        if done.returncode:
            raise RootUnavailableError(
                f"mmdebstrap failed ({done.returncode}): {done.stderr.strip()[-1000:]}"
            )
        partial.rename(folder)


_POSTFIX_PACKAGES: Final = (*_COMMON_PACKAGES, "postfix")
_QUEUE: Final = (
    "postfix post-install create-missing"  # folders; with each start it would take a third of a second
)

OPENSMTPD: Final = DebianRoot("opensmtpd-7.6", "trixie", (*_COMMON_PACKAGES, "opensmtpd"))
POSTFIX_3_7: Final = DebianRoot("postfix-3.7+dovecot-2.3", "bookworm", _POSTFIX_PACKAGES, _QUEUE)
POSTFIX_3_10: Final = DebianRoot("postfix-3.10+dovecot-2.4", "trixie", _POSTFIX_PACKAGES, _QUEUE)
_FIREWALL_PACKAGES: Final = ("iproute2", "ipset", "iptables", "nftables", "python3", "python3-aiohttp")
_UFW: Final = (*_POSTFIX_PACKAGES, "ipset", "iptables", "ufw")
UFW_12: Final = DebianRoot("postfix-3.7+ufw", "bookworm", _UFW, _QUEUE)
UFW_13: Final = DebianRoot("postfix-3.10+ufw", "trixie", _UFW, _QUEUE)
_PERSISTENT: Final = (*_FIREWALL_PACKAGES, "iptables-persistent", "ipset-persistent")  # ufw excludes these
PERSISTENT_12: Final = DebianRoot("iptables-debian-12", "bookworm", _PERSISTENT)
PERSISTENT_13: Final = DebianRoot("iptables-debian-13", "trixie", _PERSISTENT)
_PACKAGE_NEEDS: Final = (
    *_FIREWALL_PACKAGES,
    "adduser",
    "python3-aiosmtpd",
    "python3-attr",
    "python3-click",
    "python3-rich",
    "systemd",
)
PACKAGE_12: Final = DebianRoot("package-debian-12", "bookworm", _PACKAGE_NEEDS)
PACKAGE_13: Final = DebianRoot("package-debian-13", "trixie", _PACKAGE_NEEDS)
VALKEY: Final = DebianRoot("valkey", "trixie", ("valkey-tools",))
ROOTS: Final = (
    OPENSMTPD,
    POSTFIX_3_7,
    POSTFIX_3_10,
    UFW_12,
    UFW_13,
    PERSISTENT_12,
    PERSISTENT_13,
    PACKAGE_12,
    PACKAGE_13,
    VALKEY,
)


def cache_folder() -> Path:
    """Return the folder for what is kept between runs: ``$FILTER_BAN_CACHE``, or ``.cache`` in the checkout."""
    return Path(os.environ.get("FILTER_BAN_CACHE") or CHECKOUT / ".cache").absolute()


def _check_means() -> None:
    if os.geteuid() != 0:
        raise RootUnavailableError("making a Debian root folder needs root")
    if shutil.which("mmdebstrap") is None:
        raise RootUnavailableError("the Debian package mmdebstrap is missing: apt-get install mmdebstrap")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold *path* as a lock; it goes with its holder, however that ends."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _mirror() -> str:
    """
    Return the Debian archive that apt is configured for; it has all releases.

    Raises:
        RootUnavailableError: apt knows no archive that calls itself Debian's.

    """
    argv = ["apt-get", "indextargets", "--format", SOURCES_FORMAT, "Created-By: Packages"]
    listing = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True).stdout
    for line in listing.splitlines():
        codename, component, origin, address = line.split(" ", 3)
        if origin == "Debian" and component == "main" and "-" not in codename:  # not -security, -updates
            return address
    raise RootUnavailableError("apt has no list of a Debian archive: run apt-get update, on Debian")


def _proxy_settings() -> list[str]:
    """Return apt's lines on proxies: mmdebstrap does not read apt's configuration."""
    dump = subprocess.run(
        ["apt-config", "dump", "--no-empty", "Acquire"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    return [line for line in dump.splitlines() if "::Proxy" in line]


def _told(root: DebianRoot) -> bool:
    """Prepare a root folder and print its path, or why there is none; return whether there is one."""
    try:
        print(root.prepare())
    except RootUnavailableError as error:
        print(f"no root folder with {root}: {error}", file=sys.stderr)
        return False
    return True


def main() -> int:
    """Prepare all root folders at once; return the exit status: 1 where one is missing."""
    with ThreadPoolExecutor(BUILT_AT_ONCE) as pool:
        return 0 if all(list(pool.map(_told, ROOTS))) else 1


if __name__ == "__main__":
    sys.exit(main())
