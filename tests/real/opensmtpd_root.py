# SPDX-License-Identifier: ISC
"""
The root folder of a small Debian 13 with OpenSMTPD 7.6: made once and kept, never written to by a test.

Run as a script (``python tests/real/opensmtpd_root.py``) it makes the folder where it is missing and prints its path.
Debian 12's OpenSMTPD fails every TLS handshake and so never offers AUTH; hence a root folder and not the machine's own.
"""

import fcntl
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

CHECKOUT: Final = Path(__file__).resolve().parents[2]
SUITE: Final = "trixie"
PACKAGES: Final = ("ca-certificates", "iproute2", "nftables", "opensmtpd", "python3")
BUILD_TIMEOUT_S: Final = 900  # 16 s beside a near mirror
SOURCES_FORMAT: Final = "$(CODENAME) $(COMPONENT) $(ORIGIN) $(REPO_URI)"


class RootUnavailableError(Exception):
    """The root folder is missing and cannot be made here; the text says why and what to do."""


def cache_folder() -> Path:
    """Return the folder for what is kept between runs: ``$FILTER_BAN_CACHE``, or ``.cache`` in the checkout."""
    return Path(os.environ.get("FILTER_BAN_CACHE") or CHECKOUT / ".cache").absolute()


def root_folder() -> Path:
    """Return where the root folder is or will be; another list of packages has another place."""
    digest = hashlib.sha256(" ".join(PACKAGES).encode()).hexdigest()
    return cache_folder() / f"{SUITE}-{digest[:8]}"


def prepare_root() -> Path:
    """
    Return the root folder, made first where it is missing.

    A folder under its final name is complete. Several processes may ask at once: one builds, the others wait.

    Raises:
        RootUnavailableError: it is missing, and this user or machine cannot make it.

    """
    root = root_folder()
    if root.is_dir():
        return root
    _check_means()
    cache_folder().mkdir(parents=True, exist_ok=True)
    with _locked(cache_folder() / "lock"):
        if not root.is_dir():
            _build(root)
    return root


def _check_means() -> None:
    if os.geteuid() != 0:
        raise RootUnavailableError("making the Debian 13 root folder needs root")
    if shutil.which("mmdebstrap") is None:
        raise RootUnavailableError("the Debian package mmdebstrap is missing: apt-get install mmdebstrap")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold *path* as a lock; it goes with its holder, however that ends."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _build(root: Path) -> None:
    """Make *root* under another name and move it in place when it is complete."""
    partial = root.with_name(f"{root.name}.partial")
    if partial.exists():  # an earlier run was killed
        shutil.rmtree(partial)
    source = f"deb {_mirror()} {SUITE} main"
    argv = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(PACKAGES)}"]
    argv += [f"--aptopt={line}" for line in _proxy_settings()]
    print(shlex.join([*argv, SUITE, str(partial), source]), file=sys.stderr)
    try:
        done = subprocess.run(
            [*argv, SUITE, str(partial), source],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=BUILD_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise RootUnavailableError(f"mmdebstrap took longer than {BUILD_TIMEOUT_S} s") from None
    if done.returncode:
        raise RootUnavailableError(f"mmdebstrap failed ({done.returncode}): {done.stderr.strip()[-1000:]}")
    partial.rename(root)


def _mirror() -> str:
    """
    Return the Debian archive that apt is configured for.

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


def main() -> int:
    """Prepare the root folder and print its path; return the exit status."""
    try:
        print(prepare_root())
    except RootUnavailableError as error:
        print(f"no Debian {SUITE} root folder: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
