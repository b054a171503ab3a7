"""raft_config beside etcd and PySyncObj, in one run on one machine.

    python -m benchmarks.beside

Each is a cluster of three on loopback, all three run all the time, and what is compared is measured
in turn, several rounds; a ratio is the median of those round by round. etcd comes from Debian
(installed here when root), PySyncObj from PyPI into a venv of its own.
"""
