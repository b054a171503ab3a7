"""What is measured on real nodes; each module is a command that prints its figures.

python -m benchmarks             all of them, briefly
python -m benchmarks.admin       queries for saving 1 of 200 settings, beside django-constance
python -m benchmarks.failover    kill -9 of the leader until the next write succeeds
python -m benchmarks.read        cost of a read beside django-constance, settings and a dict
python -m benchmarks.writes      latency of a write through each node
python -m benchmarks.idle        processor time and memory of nodes that have nothing to do
"""
