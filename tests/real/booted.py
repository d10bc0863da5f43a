# SPDX-License-Identifier: ISC
"""
A machine on which systemd runs, in a process namespace inside the machine's own: it ends with the machine.

It has a cgroup of its own below the host's, without controllers, which is removed with it.
"""

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from tests.real.debian_root import cache_folder
from tests.real.machine import Machine
from tests.real.namespaces import children_of
from tests.real.polling import wait_until

TIMEOUT_S: Final = 30.0
UP: Final = (b"running", b"degraded")  # degraded: a unit of the system's own does not work in namespaces

# $1: name of the cgroup, $2: where the machine's root folder is mounted. A root folder entered by chroot alone would not
# do: systemd makes mounts for the sandbox of a service, below the root of the mount namespace. The console has the number
# of /dev/null, but is none of the host's devices: systemd changes its mode.
_BOOT: Final = """
mount -t sysfs -o ro sysfs /sys
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir "/sys/fs/cgroup/$1"
echo $$ > "/sys/fs/cgroup/$1/cgroup.procs"
umount /sys/fs/cgroup
mkdir /dev/shm /dev/pts
mount -t devpts -o newinstance,ptmxmode=666 devpts /dev/pts
ln -s pts/ptmx /dev/ptmx
mknod /dev/console c 1 3
exec unshare --pid --fork --kill-child --mount --propagation private --cgroup sh -euc '
mount -t proc proc /proc
exec nsenter --mount=/proc/self/ns/mnt sh -euc "
cd \"$1\"
pivot_root . mnt
umount --lazy mnt
mount -t cgroup2 cgroup2 sys/fs/cgroup
exec chroot . env -i container=test PATH=/usr/sbin:/usr/bin \
    /lib/systemd/systemd --unit=multi-user.target --show-status=0
"
' sh "$2"
"""
# $1: an empty folder, $2: name of the cgroup.
_SWEEP: Final = """
mount -t cgroup2 cgroup2 "$1"
[ ! -d "$1/$2" ] || find "$1/$2" -depth -type d -exec rmdir {} +
"""


class NotBootedError(Exception):
    """systemd does not run here; the text says why, as far as it is known."""


class BootedMachine(Machine):
    """Programs are started among those of systemd."""

    def __init__(self, root: Path, added: Path) -> None:
        """
        Start the machine, and systemd on it.

        Raises:
            NotBootedError: it did not come up.

        """
        super().__init__(root, added)
        self._entry: tuple[str, ...] = ()
        self._cgroup = f"filter-ban-test-{self.pid}"
        try:
            self._boot()
        except BaseException:
            self.close()
            raise

    def _boot(self) -> None:
        argv = ["sh", "-euc", _BOOT, "sh", self._cgroup, str(cache_folder() / "mount/root")]
        with tempfile.TemporaryFile() as errors:
            boot = super().popen(argv, stdout=subprocess.DEVNULL, stderr=errors)
            try:
                wait_until(
                    lambda: boot.poll() is not None or self._find_systemd(boot.pid), "systemd", TIMEOUT_S
                )
                wait_until(lambda: boot.poll() is not None or self._is_up(), "systemd is up", TIMEOUT_S)
            except TimeoutError as error:
                raise NotBootedError(str(error)) from None
            if boot.poll() is not None:
                errors.seek(0)
                raise NotBootedError(errors.read().decode(errors="replace")[-500:])

    def _find_systemd(self, boot_pid: int) -> bool:
        for pid in children_of(boot_pid):
            with contextlib.suppress(OSError):
                if Path(f"/proc/{pid}/comm").read_text() == "systemd\n":
                    status = Path(f"/proc/{pid}/status").read_text()
                    (line,) = (line for line in status.splitlines() if line.startswith("NSpid:"))
                    ours = line.split()[-2]  # in the machine's own namespace
                    self._entry = (
                        "nsenter",
                        "--target",
                        ours,
                        "--pid",
                        "--mount",
                        "--cgroup",
                        "--root",
                        "--wd",
                        "--",
                    )
                    return True
        return False

    def _is_up(self) -> bool:
        return self.run(["systemctl", "is-system-running"], check=False).stdout.strip() in UP

    def popen(self, argv: Sequence[str], **options: Any) -> "subprocess.Popen[bytes]":
        """Start a program beside systemd's own."""
        return super().popen([*self._entry, *argv], **options)

    def close(self) -> None:
        """End every process inside, then drop network, mounts and the cgroup."""
        super().close()
        folder = cache_folder() / "mount"
        argv = ["unshare", "--mount", "--propagation", "private", "sh", "-euc", _SWEEP, "sh"]
        subprocess.run(
            [*argv, os.fspath(folder), self._cgroup], check=False, timeout=TIMEOUT_S, capture_output=True
        )
