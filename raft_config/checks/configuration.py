"""Checks of RAFT_CONFIG itself: they ask nothing but the settings."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

from django.core.checks import CheckMessage, Error, Warning, register  # noqa: A004

from .. import conf
from ..exceptions import ConfigurationError
from .base import TAG, valid_config

_KEY: Final = re.compile(r'RAFT_CONFIG\["(\w+)"\]')
_MEMBERS: Final = frozenset({"NODE_ID", "CLUSTER_ID", "PEERS", "JOIN", "URL"})
_ENGINE: Final = frozenset({"ENGINE", "ETCD"})


def _key_of(error: ConfigurationError) -> str:
    """The key that is wrong; "" for RAFT_CONFIG as a whole, or a key that there is not."""
    match = _KEY.fullmatch(error.setting)
    return match[1] if match and match[1] in conf.KEYS else ""


def _is_timing(key: str) -> bool:
    return key.endswith("_SECONDS")


def _told(number: int, hint: str, concerns: Callable[[str], bool]) -> list[CheckMessage]:
    return [
        Error(str(error), hint=hint, id=f"raft_config.E{number:03}")
        for error in conf.problems()
        if concerns(_key_of(error))
    ]


@register(TAG)
def check_configuration(**_: Any) -> list[CheckMessage]:
    """E001: whatever is wrong with RAFT_CONFIG and has no id of its own."""

    def concerns(key: str) -> bool:
        told_elsewhere = {"SECRETS", "ENCRYPTION_KEYS", *_MEMBERS, *_ENGINE}
        return key not in told_elsewhere and not _is_timing(key)

    return _told(1, "Correct the setting; the message says how.", concerns)


@register(TAG)
def check_secrets(**_: Any) -> list[CheckMessage]:
    """E002: whoever knows or guesses the secret can vote."""
    hint = (
        "Give every node the same list of long random secrets, from the environment or a secret "
        "store, not from the repository."
    )
    return _told(2, hint, lambda key: key == "SECRETS")


@register(TAG)
def check_timing(**_: Any) -> list[CheckMessage]:
    """E003: timeouts with which no leader would last."""
    hint = "Change it, or leave it out: the defaults fit each other. All are in seconds."
    return _told(3, hint, _is_timing)


@register(TAG)
def check_members(**_: Any) -> list[CheckMessage]:
    """E004: members that cannot form a cluster, or this node not among them."""
    hint = (
        "PEERS is the same on every node: {'a': 'http://10.0.0.1:8000/raft', ...}; NODE_ID is what "
        "differs. A node that is added later has JOIN and URL instead."
    )
    return _told(4, hint, lambda key: key in _MEMBERS)


@register(TAG)
def check_encryption_keys(**_: Any) -> list[CheckMessage]:
    """E019: keys that can be guessed, or that other nodes would not know."""
    hint = (
        "Give every node the same list of long random keys, from the environment or a secret "
        "store, not from the repository."
    )
    return _told(19, hint, lambda key: key == "ENCRYPTION_KEYS")


@register(TAG)
def check_engine_options(**_: Any) -> list[CheckMessage]:
    """E028: another engine, and no way to reach it."""
    hint = (
        "ENGINE is 'raft', or 'etcd' with ETCD: {'ENDPOINTS': ['https://10.0.0.1:2379', ...]}; "
        "PREFIX, USER, PASSWORD, CA, CERT and KEY may be left out."
    )
    return _told(28, hint, lambda key: key in _ENGINE)


@register(TAG)
def check_proportions(**_: Any) -> list[CheckMessage]:
    """W020: waits that work, but end before, or long after, what they wait for."""
    config = valid_config()
    if config is None:
        return []
    found: list[CheckMessage] = []
    election = config.timing.election_timeout_seconds
    if config.rpc_timeout_seconds > election:
        found.append(
            Warning(
                f"{conf.name_of('RPC_TIMEOUT_SECONDS')} ({config.rpc_timeout_seconds:g}) is above "
                f"the election timeout ({election:g}): an answer that late is worth nothing.",
                hint="Leave it out: it is the election timeout then.",
                id="raft_config.W020",
            )
        )
    # A follower waits up to twice the election timeout; then the new leader has to commit.
    if config.peers and config.write_timeout_seconds < 2 * election:
        found.append(
            Warning(
                f"{conf.name_of('WRITE_TIMEOUT_SECONDS')} ({config.write_timeout_seconds:g}) is "
                f"below twice the election timeout ({election:g}): no write outlasts an election.",
                hint=f"Raise it above {2 * election:g}, better to {5 * election:g}.",
                id="raft_config.W020",
            )
        )
    return found


@register(TAG)
def check_transport_is_private(**_: Any) -> list[CheckMessage]:
    """W021: signatures prove who speaks, and hide nothing."""
    config = valid_config()
    if config is None:
        return []
    urls = {config.join, config.url, *config.peers.values(), *config.etcd.endpoints} - {""}
    open_urls = sorted(url for url in urls if url.startswith("http:") and not _is_loopback(url))
    if not open_urls:
        return []
    return [
        Warning(
            f"Settings travel unencrypted to {', '.join(open_urls)}.",
            hint="Signatures, or a login, do not hide what is sent: use https. If the network "
            "is private (a VPN, a service mesh), silence this with SILENCED_SYSTEM_CHECKS.",
            id="raft_config.W021",
        )
    ]


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


@register(TAG)
def check_own_url(**_: Any) -> list[CheckMessage]:
    """W022: the node would ask another address than its peers do whether it can be reached."""
    config = valid_config()
    if config is None or config.peers.get(config.node_id, config.url) == config.url:
        return []
    return [
        Warning(
            f"{conf.name_of('URL')} is {config.url}, and {conf.name_of('PEERS')} says "
            f"{config.peers[config.node_id]} of this node: it asks one address whether it can be "
            "reached, and the others use the other.",
            hint="Leave URL out: it is what PEERS says then.",
            id="raft_config.W022",
        )
    ]
