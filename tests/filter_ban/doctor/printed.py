# SPDX-License-Identifier: ISC
"""What the programs of real servers printed: Debian 12 and 13, set up as we say, and set up otherwise."""

from pathlib import Path

from filter_ban.doctor.dovecot_settings import DovecotSettings, parse_doveconf
from filter_ban.doctor.postfix_settings import Service, parse_services

FOLDER = Path(__file__).parent / "outputs"
_HEADING = "== postconf -"


def postconf(name: str) -> tuple[str, str, str]:
    """Return what ``postconf`` printed with ``-n``, ``-M`` and ``-P``."""
    main, services, options = (FOLDER / f"postfix-{name}.txt").read_text().split(_HEADING)[1:]
    return main[2:], services[2:], options[2:]


def postfix(name: str, *, main: str = "", options: str = "", without: str = "") -> list[Service]:
    """
    Return the services of a Postfix.

    Args:
        name: Of the output.
        main: Lines of main.cf that replace those of the same name.
        options: The same of ``-o`` options, such as ``submission/inet/smtpd_delay_reject = yes``.
        without: A setting that no service has of its own.

    """
    printed_main, services, printed_options = postconf(name)
    kept = [line for line in printed_options.splitlines() if not (without and f"/{without} =" in line)]
    return parse_services(f"{printed_main}\n{main}", services, "\n".join([*kept, options]))


def dovecot(name: str, more: str = "") -> DovecotSettings:
    """Return the settings of a Dovecot, with *more* lines behind what ``doveconf -n`` printed."""
    return parse_doveconf((FOLDER / f"dovecot-{name}.txt").read_text() + more)
