# SPDX-License-Identifier: ISC
"""``filter-ban doctor``: are mail servers, firewall and cluster set up as they must be."""

from collections.abc import Sequence
from pathlib import Path

import attrs
import click

from filter_ban.cli.daemon_client import DaemonClient
from filter_ban.cli.document import Document
from filter_ban.cli.failures import Exit, Failure, Unavailable
from filter_ban.cli.options import Command, config_option, json_option
from filter_ban.cli.reading import load, print_json
from filter_ban.cli.wording import printable
from filter_ban.config import Config
from filter_ban.doctor import daemon, firewall
from filter_ban.doctor.examination import PARTS, Examination, installed_servers
from filter_ban.doctor.finding import Finding, Severity
from filter_ban.doctor.store import PART as CLUSTER


@click.command("doctor", cls=Command, example="filter-ban doctor postfix")
@click.argument("parts", metavar=f"[{'|'.join(PARTS)}]", nargs=-1, type=click.Choice(PARTS))
@click.option("--smtpd-conf", type=click.Path(path_type=Path), help="OpenSMTPD's configuration.")
@json_option
@config_option
@click.pass_context
def command(ctx: click.Context, *, parts: Sequence[str], smtpd_conf: Path | None, as_json: bool) -> None:
    """
    Find what is wrong with mail servers, firewall and cluster.

    Looks at the configuration in use of every server that is installed here, at the firewall, the cluster's stores and
    the daemon, or at the parts named. Changes nothing. One line for each finding, with the line to add.

    Exit status: 0 all is well, 1 there are findings.
    """
    config, _ = load(ctx.obj)
    installed = installed_servers(smtpd_conf)
    configured = {firewall.PART: config.firewall.backend, CLUSTER: config.cluster.stores}
    wanted = parts or [*installed, *(name for name, used in configured.items() if used)]
    examined = [one for one in PARTS if one in wanted]
    unavailable, status = _daemon(config)
    problems = daemon.listener_problems(status)
    examination = Examination(config, smtpd_conf, problems, status)
    findings = [finding for one in examined for finding in examination.examine(one)]
    if not parts and not installed:
        text = "neither Postfix nor Dovecot nor OpenSMTPD is installed here"
        findings.append(
            Finding(daemon.SERVER, Severity.MISSING, "no-server", text, "filter-ban doctor --help")
        )
    if not parts and not any(finding.name == "endpoint-down" for finding in findings):
        findings += daemon.findings(unavailable, problems, examination.told)
    if as_json:
        print_json({"ok": not findings, "parts": examined, "findings": [*map(attrs.asdict, findings)]})
    else:
        for finding in findings:
            click.echo(printable(str(finding)))
        if not findings:
            click.echo(f"{', '.join(examined)}: all is well")
    ctx.exit(Exit.REFUSED if findings else Exit.DONE)


def _daemon(config: Config) -> tuple[str, Document]:
    """Return why no daemon answers, and its document of ``status``."""
    try:
        with DaemonClient.find(config) as client:
            return "", client.ask_one("status")
    except Unavailable as error:
        return error.message, {}
    except Failure:
        return "", {}  # it answers, and that is all that is asked here
