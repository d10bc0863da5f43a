# SPDX-License-Identifier: ISC
"""``filter-ban serve``: make ready what needs privileges, then watch over the engine."""

import contextlib
import logging
import os
import pwd
import resource
import socket
import sys
from pathlib import Path
from typing import Any, Final

from filter_ban import logline, places, state
from filter_ban.config import Config, ConfigError, Fault, load_config
from filter_ban.enforcer.engine_process import EngineProcess, engine_user
from filter_ban.enforcer.firewall import Firewall
from filter_ban.enforcer.listeners import AlreadyRunning, Listener, listen, make_folder, open_lock
from filter_ban.enforcer.reload import Reload
from filter_ban.enforcer.secret_files import read_cluster_secrets, read_secret
from filter_ban.enforcer.supervisor import Supervisor
from filter_ban.firewall import Command, FirewallError, Runner
from filter_ban.logline import fact

_log = logging.getLogger(__name__)
EXIT_DONE: Final = 0
EXIT_UNAVAILABLE: Final = 69
EXIT_CONFIGURATION: Final = 78
_SOCKET_DIR_MODE: Final = 0o711  # relays of other users must reach their socket
_LEDGER_DIR_MODE: Final = 0o750


def serve(config_path: Path | None, *, log_json: bool = False) -> int:
    """
    Run the daemon until it is told to stop.

    Args:
        config_path: Of the configuration; None: the usual one.
        log_json: Whether to log in JSON whatever ``log.form`` says.

    Returns: the exit status: 0 stopped or running already, 69 the machine does not let us, 78 the configuration.

    """
    form = "json" if log_json else None
    logline.set_up(form=form or "text", process="enforcer")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # credentials pass through
    try:
        config, file, content = load_config(config_path)
        log = {"level": config.log.level, "form": form or config.log.form}
        logline.set_up(**log, process="enforcer")
        return _serve(config_path, config, file, content, log)
    except ConfigError as error:
        for line in str(error).splitlines():
            _log.critical(
                fact("configuration-wrong", fault=line, consequence="no daemon", remedy="filter-ban check")
            )
        return EXIT_CONFIGURATION
    except AlreadyRunning as running:
        _log.info(fact("not-needed", why=running))
        return EXIT_DONE
    except OSError as error:
        _log.critical(fact("cannot-start", why=error))
        return EXIT_UNAVAILABLE


def _serve(path: Path | None, config: Config, file: str, content: str, log: dict[str, str]) -> int:
    user = _user(config.daemon.user)
    owner = None if user is None else (user.pw_uid, user.pw_gid)
    configured = config.daemon.socket_dir
    folder = Path(places.socket_dirs(None if configured is None else os.fspath(configured))[-1])
    make_folder(folder, _SOCKET_DIR_MODE)
    _check_private(folder)
    lock = open_lock(folder)
    ledger = state.ledger_path(config.ledger.path, folder)
    secret = read_secret(config.dovecot.secret_file, "dovecot.secret_file", file)
    cluster = read_cluster_secrets(config.cluster, file)
    _prepare_ledger(ledger, owner)
    listeners = listen(config, folder, owner)
    sockets = [listener.sock for listener in listeners if listener.sock is not None]
    run = Runner()
    firewall = _firewall(config, file, run)
    supervisor = Supervisor(
        start={
            "file": file,
            "config": content,
            "ledger": os.fspath(ledger),
            "listeners": [_description(listener) for listener in listeners],
            "secret": secret,
            "cluster": cluster,
            "log": log,
        },
        spawn=lambda: EngineProcess([sock.fileno() for sock in sockets], user),
        firewall=firewall,
        reload=Reload(path, config, firewall),
    )
    _log.info(fact("start", folder=folder, ledger=ledger, configuration=file, python=sys.version.split()[0]))
    firewall.start(supervisor.wake)
    _tell_systemd("READY=1")
    supervisor.run()
    for sock in sockets:
        sock.close()
    os.close(lock)
    return EXIT_DONE


def _firewall(config: Config, file: str, run: Runner) -> Firewall:
    try:
        return Firewall(config, run, lambda argv: _output(run, argv))
    except ValueError as error:  # a name that is fine for one tool may not be for another
        key, _, rule = str(error).partition(": ")
        raise ConfigError(file, [Fault(key, None, rule)]) from None


def _user(name: str) -> pwd.struct_passwd | None:
    try:
        return engine_user(name)
    except KeyError:
        _log.warning(
            fact(
                "no-such-user",
                user=name,
                consequence="the engine keeps this user",
                remedy=f"useradd --system {name}",
            )
        )
        return None


def _description(listener: Listener) -> dict[str, Any]:
    return {
        "service": listener.service,
        "endpoint": listener.endpoint,
        "fd": None if listener.sock is None else listener.sock.fileno(),
        "problem": listener.problem,
    }


def _check_private(folder: Path) -> None:
    uid = os.geteuid()
    if os.fspath(folder) == places.private_dir(uid) and not places.is_private(os.fspath(folder), uid):
        raise PermissionError(f"{folder}: is not ours alone; remove it or set daemon.socket_dir")


def _prepare_ledger(path: Path, owner: tuple[int, int] | None) -> None:
    """Let the engine's user write the ledger: a folder that we create for it, and the files of earlier runs."""
    created = make_folder(path.parent, _LEDGER_DIR_MODE)
    if owner is None:
        return
    files = [path, *(path.with_name(path.name + suffix) for suffix in ("-wal", "-shm"))]
    for file in [path.parent, *files] if created else files:
        with contextlib.suppress(FileNotFoundError):
            os.chown(file, *owner, follow_symlinks=False)


def _output(run: Runner, argv: tuple[str, ...]) -> str:
    """Return what a command prints that tells about this machine; nothing where it cannot be run."""
    try:
        return run(Command(argv)).decode(errors="replace")
    except FirewallError:
        return ""


def _tell_systemd(state: str) -> None:
    """Say how we are to systemd, if it asked; see sd_notify(3)."""
    address = os.environ.pop("NOTIFY_SOCKET", "")
    if address:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.sendto(state.encode(), "\0" + address[1:] if address.startswith("@") else address)
