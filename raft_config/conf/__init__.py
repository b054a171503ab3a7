"""`settings.RAFT_CONFIG` as one frozen, typed object.

Read on access (`get_config()`), kept until `setting_changed` announces another RAFT_CONFIG. A wrong
value raises a ConfigurationError that names the setting as the project wrote it and says what to
do; an unknown key is refused, because a misspelt one would silently mean its default.

    options   what may be said, and the defaults
    values    what a value has to look like
    reading   the keys, one after the other, and whether they fit together

What may *not* live here: anything that asks the database, the network or another app; that is for
`checks`. And SETTINGS stay raw: `schema.declared()` makes them `Setting` objects.
"""

from .options import (
    ENGINES,
    ETCD,
    KEYS,
    EtcdOptions,
    FieldSpec,
    PeersProvider,
    RaftConfig,
    name_of,
)
from .reading import get_config, problems
from .values import MAKE_KEY, did_you_mean, url_problem

__all__ = [
    "ENGINES",
    "ETCD",
    "KEYS",
    "MAKE_KEY",
    "EtcdOptions",
    "FieldSpec",
    "PeersProvider",
    "RaftConfig",
    "did_you_mean",
    "get_config",
    "name_of",
    "problems",
    "url_problem",
]
