"""The demo's node with a site in front that does nothing but change and show settings."""

from demo_site.settings import *  # noqa: F403
from demo_site.settings import RAFT_CONFIG as DEMO
from raft_config.schema import Setting

ROOT_URLCONF = "benchmarks.beside.site_urls"
SILENCED_SYSTEM_CHECKS = ["admin.E408", "admin.E409", "admin.E410"]  # nobody opens the admin
MIDDLEWARE = ["raft_config.middleware.pinned_settings"]

RAFT_CONFIG = {
    **DEMO,
    "SETTINGS": {
        **DEMO["SETTINGS"],
        **{f"KEY_{number}": Setting("", "For measuring.") for number in range(100)},
    },
}
