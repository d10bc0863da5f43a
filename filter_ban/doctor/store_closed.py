# SPDX-License-Identifier: ISC
"""What is wrong with a store that cannot be visited. Pure."""

from filter_ban.config.cluster import Cluster
from filter_ban.doctor.finding import Finding, Severity, quoted
from filter_ban.doctor.store import (
    IN_OUR_CONFIGURATION,
    IN_THE_SENTINELS,
    IN_THE_STORES,
    PART,
    Place,
    StoreError,
    rights_line,
)


def finding(url: str, place: Place, config: Cluster, error: StoreError) -> Finding:
    """Return why the store at *url* could not be visited, and what mends that."""
    why, where = quoted(str(error)), ""
    match error.kind:
        case "library":
            name, text = "library-missing", 'needs the extra "cluster": the library redis is missing'
            remedy = 'pip install "filter-ban[cluster]", or the Debian package python3-redis'
        case "login":
            name, text = "login-refused", f"{url} does not take our user and password: {why}"
            remedy, where = rights_line(place, config), IN_THE_STORES
        case "sentinel-login":
            name, text = (
                "sentinel-login-refused",
                f"{url}: its Sentinels do not take our user and password: {why}",
            )
            remedy, where = _sentinel_login(config)
        case "certificate":
            name, text = "certificate-refused", f"{url}: TLS fails: {why}"
            remedy, where = _certificate(config)
        case "tls":
            name, text = "tls-fails", f"{url}: TLS fails: {why}"
            remedy, where = 'ca_file = "…", the certificate that signed the server\'s', IN_OUR_CONFIGURATION
        case "loading":
            name, text = "store-loading", f"{url} still reads its own data back: {why}"
            remedy = "filter-ban doctor cluster"
        case "strange":
            name, text = "store-strange", f"{url} does not answer as Valkey and Redis do: {why}"
            remedy = _ping(place)
        case _:
            name, text = "store-down", f"{url} cannot be reached: {why}; until it can, each node judges alone"
            remedy = _ping(place)
    return Finding(PART, Severity.DANGER, name, text, remedy, where)


def _sentinel_login(config: Cluster) -> tuple[str, str]:
    """Return a line and the file where it belongs."""
    if config.sentinel_password_file is None:
        return 'sentinel_password_file = "…", which has the password of the Sentinels', IN_OUR_CONFIGURATION
    user = config.sentinel_user or "default"
    return f"user {user} on >PASSWORD -@all +sentinel|get-master-addr-by-name", IN_THE_SENTINELS


def _certificate(config: Cluster) -> tuple[str, str]:
    """Return a line and the file where it belongs."""
    if config.certificate_file is None:
        return 'certificate_file = "…" and certificate_key_file = "…"', IN_OUR_CONFIGURATION
    return "tls-ca-cert-file …, with the certificate that signed ours", IN_THE_STORES


def _ping(place: Place) -> str:
    """Return the command with which to try by hand."""
    if place.path:
        return f"redis-cli -s {place.path} ping"
    host, port = place.hosts[0]
    return f"redis-cli{' --tls' if place.tls else ''} -h {host} -p {port} ping"
