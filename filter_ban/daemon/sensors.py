# SPDX-License-Identifier: ISC
"""The sensors of the engine process: one for each kind of server, and one for each smtpd that is connected."""

import time
from collections import Counter

import attrs

from filter_ban import tags
from filter_ban.clients import Clients
from filter_ban.config import Config
from filter_ban.engine import Engine
from filter_ban.recording import Recorder
from filter_ban.reply import ReplyTemplate
from filter_ban.sensors.blocklistd import BlocklistdSensor
from filter_ban.sensors.decoy import DecoySensor
from filter_ban.sensors.dovecot import DovecotSensor
from filter_ban.sensors.opensmtpd import OpensmtpdSensor
from filter_ban.sensors.postfix import PostfixSensor
from filter_ban.sensors.sensor import Means
from filter_ban.verdicts import Heard, Verdicts


class Sensors:
    """
    All sensors, what each tells banned clients, and what each has seen.

    Args:
        config: Ports, names and replies.
        engine: Counts and decides.
        clients: Look-up of addresses.
        users: Makes the tags of user names.
        secrets: Makes the tags of passwords.
        recorder: Gets every signal; None records nothing.
        heard: Gets the ban of each client that is refused, and where it came to.

    """

    def __init__(
        self,
        *,
        config: Config,
        engine: Engine,
        clients: Clients,
        users: tags.UserTags,
        secrets: tags.SecretTags,
        recorder: Recorder | None,
        heard: Heard,
    ) -> None:
        self._config = config
        self._verdicts = {
            sensor: Verdicts(engine, banned, heard) for sensor, banned in _replies(config).items()
        }
        common = Means(
            engine=engine,
            clients=clients,
            verdicts=self._verdicts["opensmtpd"],
            users=users,
            secrets=secrets,
            clock=time.time,
            recorder=recorder,
        )
        self._means = {
            sensor: attrs.evolve(common, verdicts=verdicts) for sensor, verdicts in self._verdicts.items()
        }
        self.postfix = PostfixSensor(
            self._means["postfix"],
            submission_ports=config.postfix.submission_ports,
            bad_helo=config.helo.bad,
        )
        self.dovecot = DovecotSensor(self._means["dovecot"])
        self.decoy = DecoySensor(self._means["decoy"])
        self.blocklistd = BlocklistdSensor(self._means["blocklistd"])
        self._relays: set[OpensmtpdSensor] = set()
        self._retired: Counter[str] = Counter()

    def reconfigure(self, config: Config) -> None:
        """Go by *config* from now on."""
        self._config = config
        for sensor, banned in _replies(config).items():
            self._verdicts[sensor].reconfigure(banned)
        self.postfix.judge_by(config.postfix.submission_ports, config.helo.bad)
        opensmtpd = config.opensmtpd
        for relay in self._relays:
            relay.judge_by(opensmtpd.smtps_ports, opensmtpd.submission_ports, config.helo.bad)

    # --- one for each smtpd

    def connect(self) -> OpensmtpdSensor:
        """Return a sensor for one more smtpd."""
        sensor = OpensmtpdSensor(
            self._means["opensmtpd"],
            smtps_ports=self._config.opensmtpd.smtps_ports,
            submission_ports=self._config.opensmtpd.submission_ports,
            bad_helo=self._config.helo.bad,
        )
        self._relays.add(sensor)
        return sensor

    def retire(self, sensor: OpensmtpdSensor) -> None:
        """Keep the counts of a sensor whose smtpd is gone."""
        self._relays.discard(sensor)
        self._retired.update(sensor.counts)

    @property
    def relays(self) -> int:
        """How many relays are connected."""
        return len(self._relays)

    # --- what they have seen

    @property
    def refused(self) -> int:
        """How often a client was refused."""
        return sum(self.refused_by_sensor().values())

    def refused_by_sensor(self) -> dict[str, int]:
        """Return how often each sensor refused a client."""
        return {sensor: verdicts.refused for sensor, verdicts in self._verdicts.items()}

    @property
    def events(self) -> Counter[str]:
        """What all sensors saw, by kind."""
        return sum(self.events_by_sensor().values(), Counter[str]())

    def events_by_sensor(self) -> dict[str, Counter[str]]:
        """Return what each sensor saw, by kind; those of all relays are one."""
        return {
            "opensmtpd": sum((relay.counts for relay in self._relays), self._retired.copy()),
            "postfix": self.postfix.counts,
            "dovecot": self.dovecot.counts,
            "decoy": self.decoy.counts,
            "blocklistd": self.blocklistd.counts,
        }


def _replies(config: Config) -> dict[str, ReplyTemplate]:
    """Return what banned clients are told at each sensor."""
    replies = dict.fromkeys(("opensmtpd", "postfix", "dovecot", "decoy", "blocklistd"), config.reply.banned)
    return replies if config.postfix.banned is None else replies | {"postfix": config.postfix.banned}
