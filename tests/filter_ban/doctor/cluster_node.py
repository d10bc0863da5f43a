# SPDX-License-Identifier: ISC
"""The files and the configuration of a node of a cluster."""

from pathlib import Path
from typing import Final

from filter_ban.config import parse_config
from filter_ban.config.cluster import Cluster
from tests.filter_ban.authority import Pair

KEY: Final = "0123456789abcdef"


def write_files(folder: Path) -> None:
    """Write the files of a node that shows no certificate."""
    for name, text in ("key", f"{KEY}\n"), ("password", "secret\n"), ("ca", "-----BEGIN CERTIFICATE-----"):
        (folder / name).write_text(text)
        (folder / name).chmod(0o600)


def configured(folder: Path, *urls: str, **more: str) -> Cluster:
    """Return a configuration with those stores, and all files but those that are changed by *more*."""
    files = {f"{name}_file": str(folder / name) for name in ("key", "password", "ca")}
    keys = {**files, "user": "filter-ban", **more}
    lines = [f"stores = [{', '.join(map(repr, urls or ('rediss://store',)))}]"]
    return parse_config(
        "\n".join(["[cluster]", *lines, *(f"{name} = {text!r}" for name, text in keys.items())])
    ).cluster


def showing(folder: Path, pair: Pair, **more: str) -> Cluster:
    """Return such a configuration with a certificate."""
    files = {"certificate_file": str(pair.file), "certificate_key_file": str(pair.key_file)}
    return configured(folder, **files, **more)
