# SPDX-License-Identifier: ISC
"""An example of each table of the configuration that sets each of its keys; the tests load them."""

from typing import Final

EXAMPLES: Final = {
    "": """\
mode = "watch"                      # the first week: look on, refuse nobody
""",
    "limits": """\
[limits]
windows = ["5 in 10m", "10 in 24h", "15 in 7d"]
ipv4_prefix = 32
ipv6_prefix = 56                    # where a provider gives each customer a /56
max_clients = 200_000               # 60 MB at most
relapse = 3
""",
    "weights": """\
[weights]
auth_fail = 1
unknown_user = 3
auth_abort = 1
no_tls = 1
no_auth = 0
relay_attempt = 2
bad_helo = 5                        # at once, with the windows as they are
""",
    "helo": """\
[helo]
bad = ["ylmf-pc", "User", "WIN-8OA3CCQAE4D"]
""",
    "users": """\
[users]
domains = ["example.org", "example.net"]
traps = ["admin@example.org", "test@example.org"]
""",
    "guard": """\
[guard]
remember = "60d"
familiar = 0.1
pace = "2m"
""",
    "siege": """\
[siege]
clients = 40
window = "24h"
unresolved = 15
patience = "20m"
""",
    "widen": """\
[widen]
members = 8
strikes = 30
window = "24h"
length = "4h"
""",
    "override": """\
[[override]]                        # the office: many people, one address
networks = ["198.51.100.0/24"]
windows = ["50 in 10m"]

[[override]]                        # IMAP programs try again and again
services = ["dovecot imap"]
factor = 0.5
ladder = ["10m", "1h"]
""",
    "ban": """\
[ban]
ladder = ["30m", "6h", "7d", "forever"]
forget = "90d"
""",
    "never": """\
[never]
networks = ["203.0.113.10", "2001:db8:5::/48"]
own_addresses = true
""",
    "never.widest": """\
[never.widest]
ipv4 = 20
ipv6 = 40
""",
    "reply": """\
[reply]
banned = "421 4.7.0 {client} refused until {until}, call +49 30 0000 and say {ref} ({strikes} strikes)"
""",
    "firewall": """\
[firewall]
backend = ["nftables", "helper"]
ports = [25, 465, 587, 993]
hook = "input"
action = "reject"
max_entries = 200_000
max_per_minute = 1000
table = "filter-ban"
anchor = ""                         # pf alone
helper = "/usr/local/libexec/ban-list"
helper_protocol = "lines"
""",
    "ledger": """\
[ledger]
path = "/var/lib/filter-ban/ledger.sqlite3"
""",
    "daemon": """\
[daemon]
socket_dir = "/run/filter-ban"
user = "_filterban"
relay_users = ["opensmtpd", "_smtpd"]
spawn = false                       # systemd or rc.d starts the daemon
""",
    "relay": """\
[relay]
on_trouble = "421 4.3.0 try again"  # let nobody in unseen: mail stops with filter-ban
deadline_ms = 500
""",
    "opensmtpd": """\
[opensmtpd]
smtps_ports = [465, 10465]
submission_ports = [465, 587, 10465]
""",
    "postfix": """\
[postfix]
listen = ["127.0.0.1:10040", "unix:/var/spool/postfix/private/filter-ban"]
submission_ports = [465, 587]
banned = "521 5.7.1 {client} refused until {until}, reference {ref}"
""",
    "dovecot": """\
[dovecot]
listen = ["127.0.0.1:10041"]
secret_file = "/etc/filter-ban.secret"
""",
    "decoy": """\
[decoy]
listen = ["192.0.2.25:2525"]        # an address or a port that you have told nobody
""",
    "blocklistd": """\
[blocklistd]
socket = "/var/run/blocklistd.sock"
users = ["root", "postfix", "sshd", "named"]
""",
    "record": """\
[record]
path = "/var/lib/filter-ban/signals.record"
""",
    "hooks": """\
[hooks]
on_ban = ["/usr/local/libexec/tell-router", "add"]
on_lift = "https://abuse.example.org/lifted"
timeout = "5s"
at_once = 2
""",
    "metrics": """\
[metrics]
listen = ["127.0.0.1:9124"]
""",
    "geo": """\
[geo]
database = "/var/lib/GeoIP/GeoLite2-Country.mmdb"
""",
    "cluster": """\
[cluster]
stores = ["rediss://store.example.org:6380"]
node = "mx1"
prefix = "filter-ban"
key_file = "/etc/filter-ban.cluster-key"
user = "filter-ban"
password_file = "/etc/filter-ban.store-password"
ca_file = "/etc/filter-ban.store.crt"
certificate_file = "/etc/filter-ban.node.crt"
certificate_key_file = "/etc/filter-ban.node.key"
sentinel_user = ""
sentinel_password_file = ""
shards = 4
role = "full"
trust = ["bans", "strikes"]
secret_bits = 12
buffer = 200_000
max_mb = 256
snapshot = "5m"
""",
    "log": """\
[log]
level = "warning"
form = "json"
""",
}
