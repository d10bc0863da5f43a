# SPDX-License-Identifier: ISC
"""
A mail server's machine: Debian with this checkout installed, and nothing else running.

It is the cached root folder below a layer in memory: it starts fresh in a tenth of a second, and what is written to it
is gone with it.
"""

from collections.abc import Collection
from pathlib import Path
from typing import Final

from tests.real.debian_root import cache_folder
from tests.real.namespaces import HOLD, SystemNamespace

HOST_NAME: Final = "mail.example.org"

# $1: an empty folder, $2: the root folder, $3: a folder that is laid over it, $4: the host name.
_FURNISH: Final = f"""
mount -t tmpfs -o mode=755 tmpfs "$1"
cd "$1"
mkdir root system added written work
mount --bind "$2" system
mount --bind "$3" added
mount -t overlay -o lowerdir=added:system,upperdir=written,workdir=work overlay root
mount -t proc proc root/proc
mount -t tmpfs -o mode=755 tmpfs root/run
mount -t tmpfs -o mode=1777 tmpfs root/tmp
mount -t tmpfs -o mode=755 tmpfs root/dev
cp -a /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty root/dev
chmod 666 root/dev/*
ln -s /proc/self/fd root/dev/fd
ln -s /proc/self/fd/1 root/dev/stdout
ln -s /proc/self/fd/2 root/dev/stderr
hostname "$4"
exec chroot root sh -c "{HOLD}"
"""

# Look-ups fail at once: with name servers that do not answer, servers greet a client only after 10 or 75 s.
RESOLV_CONF: Final = "nameserver 127.0.0.1\n"
_LISTENING: Final = "0A"  # proc_net(5): the kernel's TCP_LISTEN
_HOSTS: Final = f"127.0.0.1 localhost\n127.0.1.1 {HOST_NAME} mail\n::1 localhost\n"


class Machine(SystemNamespace):
    """The mail server's side of a test."""

    def __init__(self, root: Path, added: Path) -> None:
        """Start the machine with the files of *added* laid over *root*; neither folder is written to."""
        mount_point = cache_folder() / "mount"  # stays empty for all but the machine itself
        mount_point.mkdir(parents=True, exist_ok=True)
        super().__init__(_FURNISH, str(mount_point), str(root), str(added), HOST_NAME)
        self.write("/etc/resolv.conf", RESOLV_CONF)
        self.write("/etc/hosts", _HOSTS)
        self.write("/etc/mailname", f"{HOST_NAME}\n")

    def write(self, inside: str, text: str, mode: int = 0o644) -> None:
        """Write a file of the machine, as root; folders are made as needed."""
        path = self.path(inside)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)

    def listens(self, ports: Collection[int]) -> bool:
        """Return whether all these TCP ports are open in both families; a look disturbs no server, a connection would."""
        return all(set(ports) <= self._open_ports(table) for table in ("tcp", "tcp6"))

    def _open_ports(self, table: str) -> set[int]:
        lines = Path(f"/proc/{self.pid}/net/{table}").read_text().splitlines()[1:]
        rows = [line.split() for line in lines]
        return {int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == _LISTENING}
