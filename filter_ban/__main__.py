# SPDX-License-Identifier: ISC
"""The console script: relay and daemon apart, because they must stay small, and the command line for all the rest."""

import sys


def main() -> None:
    """Run what the command line asks for; return or exit with its status."""
    # Each of the three loads nothing of the other two.
    match sys.argv[1:]:
        case ["opensmtpd", *_]:
            from filter_ban.relay import main as relay  # noqa: PLC0415

            relay(sys.argv)
        case ["serve"]:
            _serve(None)
        case ["serve", "--log-json"]:
            _serve(None, log_json=True)
        case ["serve", "--config", file]:
            _serve(file)
        case ["serve", "--config", file, "--log-json"]:
            _serve(file, log_json=True)
        case _:
            from filter_ban.cli import main as command_line  # noqa: PLC0415

            command_line()


def _serve(file: str | None, *, log_json: bool = False) -> None:
    from pathlib import Path  # noqa: PLC0415

    from filter_ban.enforcer.main import serve  # noqa: PLC0415

    sys.exit(serve(None if file is None else Path(file), log_json=log_json))


if __name__ == "__main__":
    main()
