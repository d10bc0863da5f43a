# SPDX-License-Identifier: ISC
"""What the doctor says of the files of a node."""

from pathlib import Path

from filter_ban.config.cluster import Cluster
from filter_ban.doctor.cluster_files import findings
from tests.filter_ban.authority import Authority, Pair
from tests.filter_ban.doctor.cluster_node import configured, showing


def told(config: Cluster) -> list[str]:
    """Return what is said."""
    return [str(finding) for finding in findings(config)]


def test_files(folder: Path) -> None:
    """A key that others can read, or that can be guessed, is told; as is what cannot be read."""
    (folder / "key").write_text("short")
    (folder / "key").chmod(0o644)
    assert told(configured(folder)) == [
        (
            "cluster: danger: key-open: cluster.key_file is open to more than its owner and group: who has it can speak for "
            f"a node; run: chmod o=,g-w {folder}/key"
        ),
        (
            "cluster: danger: key-short: the nodes' key has 5 characters, so that it can be guessed; 16 are needed; "
            f"run: openssl rand -hex 32 >{folder}/key"
        ),
    ]
    (folder / "key").unlink()
    (folder / "ca").unlink()
    assert told(configured(folder)) == [
        (
            "cluster: danger: key-unreadable: cluster.key_file cannot be read: No such file or directory; "
            f"run: ls -l {folder}/key"
        ),
        (
            "cluster: danger: ca-unreadable: cluster.ca_file cannot be read: No such file or directory; "
            f"run: ls -l {folder}/ca"
        ),
    ]


def test_group(folder: Path) -> None:
    """The group may read: it is the daemon's where that is not root."""
    (folder / "key").chmod(0o640)
    assert told(configured(folder)) == []


def test_files_of_certificates_and_sentinels(folder: Path) -> None:
    """A key and a password that others can read are told, and a certificate is for everybody; so is what is not there."""
    pair = Authority(folder).issue("node")
    for file in (pair.file, pair.key_file, folder / "password"):
        file.chmod(0o644)
    config = showing(folder, pair, sentinel_password_file=str(folder / "password"))
    names = [finding.split(": ")[2] for finding in told(config)]
    assert names == ["password-open", "certificate-key-open", "sentinel-password-open"]
    assert "cluster.certificate_key_file is open to more" in told(config)[1]
    for file in (pair.file, pair.key_file, folder / "password"):
        file.unlink()
    names = [finding.split(": ")[2] for finding in told(config)]
    assert names == [
        *("password-unreadable", "certificate-unreadable"),
        *("certificate-key-unreadable", "sentinel-password-unreadable"),
    ]


def test_own_certificate(folder: Path) -> None:
    """A certificate and its key that fit are well; if they cannot be used, that is told."""
    authority = Authority(folder)
    pair = authority.issue("node")
    assert told(showing(folder, pair)) == []
    locked = authority.locked(pair)
    assert told(showing(folder, locked)) == [
        (
            "cluster: danger: certificate-key-wrong: cluster.certificate_key_file must be a key without a passphrase: "
            f"nobody is there to type it; run: openssl pkey -in {locked.key_file} -pubout"
        )
    ]
    (finding,) = told(showing(folder, Pair(pair.file, authority.issue("other").key_file)))
    assert "certificate-key-wrong: cluster.certificate_key_file must be the key of the first" in finding
