# SPDX-License-Identifier: ISC
"""The doctor's visit: get hold of the configurations that are in use, and judge them."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from filter_ban.config import Config
from filter_ban.config.values import Endpoint
from filter_ban.doctor import cluster, dovecot, firewall, opensmtpd, postfix
from filter_ban.doctor.dovecot_settings import parse_doveconf
from filter_ban.doctor.finding import Finding, Severity
from filter_ban.doctor.health import Health, Probe
from filter_ban.doctor.postfix_settings import parse_services
from filter_ban.doctor.probe import probe_auth_policy, probe_policy
from filter_ban.doctor.smtpd_conf import parse_smtpd_conf
from filter_ban.doctor.store import PART as CLUSTER
from filter_ban.doctor.store import Login, Place, StoreError, Visit
from filter_ban.firewall.runner import SEARCH_PATH, Runner
from filter_ban.setup.programs import ProgramError, output

SMTPD_CONFS: Final = (Path("/etc/smtpd.conf"), Path("/etc/mail/smtpd.conf"))
PROGRAMS: Final = {postfix.SERVER: "postconf", dovecot.SERVER: "doveconf"}
SERVERS: Final = (*PROGRAMS, opensmtpd.SERVER)
PARTS: Final = (*SERVERS, firewall.PART, CLUSTER)


def installed_servers(smtpd_conf: Path | None) -> list[str]:
    """Return the servers that are installed here; *smtpd_conf* as in :class:`Examination`."""
    path = os.pathsep.join(SEARCH_PATH)
    found = [server for server, program in PROGRAMS.items() if shutil.which(program, path=path)]
    return [*found, *([opensmtpd.SERVER] if smtpd_conf or any(map(Path.is_file, SMTPD_CONFS)) else [])]


class Examination:
    """
    What is found at one visit.

    Args:
        config: Ours.
        smtpd_conf: OpenSMTPD's configuration; None: where it usually lies.
        problems: Of our listeners, by endpoint, as the daemon tells them.
        status: Its document of ``status``; empty: none answers.

    """

    def __init__(
        self,
        config: Config,
        smtpd_conf: Path | None,
        problems: Mapping[str, str],
        status: Mapping[str, Any] | None = None,
    ) -> None:
        self.told: set[str] = set()  # the endpoints that were looked at
        self._config = config
        self._smtpd_conf = smtpd_conf
        self._problems = problems
        self._status = status or {}

    def examine(self, part: str) -> list[Finding]:
        """Return what is wrong with *part*, one of PARTS; what cannot be read is a finding, too."""
        judge = {
            postfix.SERVER: self._postfix,
            dovecot.SERVER: self._dovecot,
            opensmtpd.SERVER: self._opensmtpd,
            firewall.PART: self._firewall,
            CLUSTER: self._cluster,
        }[part]
        try:
            return judge()
        except ProgramError as error:
            if part == dovecot.SERVER and (finding := dovecot.nonce_missing(str(error))):
                return [finding]
            remedy = f"{PROGRAMS[part]} -n"
            return [Finding(part, Severity.MISSING, "unreadable", str(error), remedy)]

    def _postfix(self) -> list[Finding]:
        services = parse_services(*(output(["postconf", option]) for option in ("-n", "-M", "-P")))
        return [*postfix.findings(services, self._config.postfix.listen, self._probe(probe_policy))]

    def _dovecot(self) -> list[Finding]:
        settings = parse_doveconf(output(["doveconf", "-n"]))
        file = self._config.dovecot.secret_file
        unread = []
        secret = ""
        try:
            secret = file.read_text("ascii").strip() if file else ""
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not ASCII"
            text = f"dovecot.secret_file cannot be read: {why}"
            unread = [Finding(dovecot.SERVER, Severity.MISSING, "secret-unreadable", text, f"ls -l {file}")]
        probe = self._probe(lambda endpoint: probe_auth_policy(endpoint, secret))
        return [*unread, *dovecot.findings(settings, self._config.dovecot.listen, secret, probe)]

    def _opensmtpd(self) -> list[Finding]:
        file = self._smtpd_conf or next(filter(Path.is_file, SMTPD_CONFS), SMTPD_CONFS[0])
        try:
            conf = parse_smtpd_conf(_read(file), lambda name: _read(file.parent / name))
        except OSError as error:
            return [opensmtpd.file_missing(str(error.filename or file), error.strerror or str(error))]
        return [*opensmtpd.findings(conf, str(file))]

    def _firewall(self) -> list[Finding]:
        runner = Runner()
        machine = firewall.Machine(runner, runner.has, os.geteuid() == 0)
        told = self._status.get(firewall.PART)
        return [*firewall.findings(self._config, machine, told if isinstance(told, dict) else {})]

    def _cluster(self) -> list[Finding]:
        return [*cluster.findings(self._config.cluster, _visit, self._status)]

    def _probe(self, probe: Probe) -> Probe:
        """Return *probe*, spared where the daemon itself says what is wrong."""

        def look(endpoint: Endpoint) -> Health:
            self.told.add(str(endpoint))
            problem = self._problems.get(str(endpoint))
            return Health(problem, answered=False) if problem else probe(endpoint)

        return look


def _visit(place: Place, login: Login, prefix: str, streams: Mapping[int, str]) -> Visit:
    """Visit a store, with a library that not everybody has."""
    try:
        from filter_ban.doctor.store_visit import visit  # noqa: PLC0415 - needs an extra
    except ImportError as error:
        raise StoreError("library", str(error)) from None
    return visit(place, login, prefix, streams)


def _read(path: Path) -> str:
    return path.read_text("utf-8", "backslashreplace")
