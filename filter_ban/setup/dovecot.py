# SPDX-License-Identifier: ISC
"""Dovecot: a file of our own among those that dovecot.conf includes makes it ask us, and tell us of every login."""

import re
import secrets
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

from filter_ban.config import Config
from filter_ban.config.values import Endpoint
from filter_ban.setup import endpoints
from filter_ban.setup.files import SECRET_SUFFIX, Change, SetupError, read
from filter_ban.setup.plan import Ask, Place, Plan
from filter_ban.setup.programs import MissingProgramError, ProgramError
from filter_ban.setup.recipes import Series, api_key_line, auth_listener_lines, dovecot_lines

NEXT_STEP: Final = "systemctl restart dovecot"
FILE: Final = "99-filter-ban.conf"  # read after Debian's own files
# Not *.conf: programs of other users read the configuration too, and would fail at a file that root alone can read.
SECRET_FILE: Final = f"99-filter-ban{SECRET_SUFFIX}"
USUAL_MAIN_FILE: Final = Path("/etc/dovecot/dovecot.conf")
USUAL_LISTENER: Final = Endpoint(host="127.0.0.1", port=10041)

_HEAD: Final = (
    "# Written by: filter-ban setup dovecot --apply",
    "# Taken out by: filter-ban setup dovecot --undo",
)
_CONF_FILE: Final = re.compile(r"^# \S+ \([^)]*\): (?P<path>/.*)$", re.MULTILINE)
_INCLUDE: Final = re.compile(r"^[ \t]*!include(_try)?[ \t]+(/\S*/)?conf\.d/\*\.conf[ \t]*$", re.MULTILINE)
_URL: Final = re.compile(r"^\s*(?:auth_policy_)?server_url = (?P<url>\S+)$", re.MULTILINE)
_NONCE: Final = re.compile(r"^auth_policy_hash_nonce = (?P<nonce>[0-9a-f]{16,64})$", re.MULTILINE)
_NONCE_BYTES: Final = 16
_API_KEY: Final = re.compile(r"[A-Za-z0-9._~+/=-]{1,200}")  # nothing that Dovecot would read as syntax


def place(ask: Ask) -> Place:
    """
    Return where our file is to be.

    Raises:
        ProgramError: Dovecot is not here.
        SetupError: its main file includes no folder.

    """
    main = _main_file(ask)
    if not _INCLUDE.search((read(main) or b"").decode(errors="backslashreplace")):
        raise SetupError(
            f"{main} does not include conf.d/*.conf; add: !include conf.d/*.conf, or the lines that "
            '"filter-ban setup dovecot" prints, by hand'
        )
    folder = (main.parent / "conf.d").resolve()
    paths = tuple((folder / name).resolve() for name in (SECRET_FILE, FILE))
    return Place(paths, partial(_accept, ask), NEXT_STEP)


def plan(config: Config, ask: Ask) -> Plan:
    """
    Return what is to be written to our files.

    Raises:
        ProgramError: Dovecot is not here, or does not accept its present configuration.
        SetupError: it cannot be set up.

    """
    series = _series(ask(("dovecot", "--version")))
    shown = ask(("doveconf", "-n"))  # what Dovecot does not understand, we add nothing to
    where = place(ask)
    secret_path, path = where.paths
    old, old_secret = read(path), read(secret_path)
    ours = (old or b"").decode(errors="backslashreplace")
    url = listener_url(config)
    if old is None and (other := _URL.search(shown)):
        raise SetupError(
            f"Dovecot asks the policy server {other['url']} already and can ask but one; take out auth_policy_server_url"
        )
    nonce = found["nonce"] if (found := _NONCE.search(ours)) else secrets.token_hex(_NONCE_BYTES)
    api_key = _api_key(config.dovecot.secret_file)
    lines = [*_HEAD, *dovecot_lines(series, url, nonce), *_listener_for_postfix(ask, ours, shown)]
    if api_key:
        lines.append(f"!include_try {SECRET_FILE}")
    secret = f"{api_key_line(api_key)}\n".encode() if api_key else None
    changes = (
        Change(secret_path, old_secret, secret),
        Change(path, old, "".join(f"{line}\n" for line in lines).encode()),
    )
    return Plan(
        where,
        tuple(change for change in changes if change.alters),
        tuple(notes(config)),
        partial(_accept_and_compare, ask, url),
    )


def listener_url(config: Config) -> str:
    """
    Return where Dovecot is to ask us: at the configured listener, or at the usual one if there is none.

    Raises:
        SetupError: there is none that speaks TCP.

    """
    nearest = endpoints.nearest(config.dovecot.listen) or USUAL_LISTENER
    if nearest.path:
        raise SetupError(
            f'{nearest}: Dovecot asks over TCP only; in our configuration: dovecot.listen = ["{USUAL_LISTENER}"]'
        )
    return f"http://{nearest}/"


def by_hand(config: Config) -> str:
    """Return the lines for a machine where Dovecot is not installed yet."""
    url = listener_url(config)
    nonce = secrets.token_hex(_NONCE_BYTES)
    return "\n".join(
        line
        for series in ("2.3", "2.4")
        for line in (f"# Dovecot {series}", *dovecot_lines(series, url, nonce), "")
    )


def notes(config: Config) -> Iterator[str]:
    """Yield what our own side still needs."""
    if not config.dovecot.listen:
        yield (
            "filter-ban does not listen for Dovecot yet; in /etc/filter-ban.toml:\n"
            f'[dovecot]\nlisten = ["{USUAL_LISTENER}"]'
        )


def _main_file(ask: Ask) -> Path:
    """Return Dovecot's main file; where Dovecot does not accept it, say after an upgrade, the usual one."""
    try:
        found = _CONF_FILE.search(ask(("doveconf", "-n")))
    except MissingProgramError:
        raise
    except ProgramError:
        found = None
    return Path(found["path"]) if found else USUAL_MAIN_FILE


def _series(version: str) -> Series:
    found = re.match(r"([0-9]+)\.([0-9]+)", version)
    number = (int(found[1]), int(found[2])) if found else (0, 0)
    if number < (2, 3):
        raise SetupError(f"Dovecot {version.strip()}: must be 2.3 or newer")
    return "2.3" if number == (2, 3) else "2.4"


def _listener_for_postfix(ask: Ask, ours: str, shown: str) -> tuple[str, ...]:
    """Return the lines of the socket where Postfix has passwords checked; none if others have it or no Postfix is here."""
    try:
        queue = ask(("postconf", "-hx", "queue_directory")).strip()
        owner = ask(("postconf", "-hx", "mail_owner")).strip()
    except ProgramError:
        return ()
    socket = f"{queue}/private/auth"
    listed = f"unix_listener {socket} {{"
    if listed in ours or listed not in shown:
        return auth_listener_lines(socket, owner)
    return ()


def _api_key(file: Path | None) -> str:
    if file is None:
        return ""
    content = read(file)
    key = (content or b"").decode(errors="replace").strip()
    if not _API_KEY.fullmatch(key):
        raise SetupError(
            f"{file}, dovecot.secret_file: must hold 1 to 200 letters, digits and . _ ~ + / = -"
            if content is not None
            else f"{file}, dovecot.secret_file: there is no such file"
        )
    return key


def _accept(ask: Ask) -> None:
    ask(("doveconf", "-n"))


def _accept_and_compare(ask: Ask, url: str) -> None:
    """Make sure that Dovecot sees our URL, and no file after ours sets another."""
    seen = {found["url"] for found in _URL.finditer(ask(("doveconf", "-n")))}
    if seen != {url}:
        raise SetupError(
            f"Dovecot does not see {url}: another of its files sets auth_policy_server_url; nothing is changed"
        )
