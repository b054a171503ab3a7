"""An existing etcd cluster in place of the built-in Raft: `RAFT_CONFIG["ENGINE"] = "etcd"`.

etcd keeps the log; to the nodes it is the one member that leads and votes, and each of them is a
learner, which receives everything and never votes. So a node stays what it is: it stores, applies,
compacts and restores by the code that follows any leader, and everything above it reads the same
tables. What differs is how the two speak:

    a change        --> etcd: one transaction, that puts it behind the last entry or not at all
    news of it      <-- read from etcd, and taken in as if the leader had sent it (`node`)
    a fresh read    --> etcd: the last index, by a linearizable range

    gateway   HTTP and JSON to whichever member of etcd answers
    log       the entries, a snapshot and their keys in etcd
    lease     which node fires schedules, trims the log and runs what only one may run
    watch     wakes the driver when etcd has news
    sameness  whether it is still the log that a node has followed
    node      the node

etcd elects, replicates and agrees; nodes need neither peers nor secrets.
"""
