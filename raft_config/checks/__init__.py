"""What `manage.py check` says before a node loses a vote. Importing this registers the checks.

E refuses to start; W is told. Where a number has both, it is an E in a cluster, and a W for a node
alone, which has no votes to lose. Ids are never used for another problem.

    configuration   E001 RAFT_CONFIG   E002 its secrets   E003 its timeouts   E004 its members
                    E019 its ENCRYPTION_KEYS  W020 timeouts out of proportion
                    W021 http beyond loopback  W022 URL is not what PEERS says
                    E028 ENGINE or ETCD
    declarations    E005 a declared setting  E019 a secret without a key
                    E024 an environment variable  E025 on_change  E026 CLEAN
                    W027 FIELDSETS that leave one out
    database        E006 unsupported   E/W007 not IMMEDIATE   E/W008 not WAL   E/W009 not FULL
                    E/W010 in memory   E/W013 synchronous_commit off   E015 router
                    E016 not migrated there   E017 a mirror of another alias
                    I030 a connection for each request
    live            E/W011 not WAL   E/W012 not FULL   E/W013 synchronous_commit off
                    E/W014 fsync off   E018 another node's tables   E029 another engine's
    celery          W023 a queue that is not this node's own

The live ones ask the database: `manage.py check --database default`, or `migrate`.
"""

from . import configuration, database, declarations, live, queues

__all__ = ["configuration", "database", "declarations", "live", "queues"]
