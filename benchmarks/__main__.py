"""All measurements, one after the other."""

from . import failover, idle, writes

for module in (writes, failover, idle):
    print(f"-- {module.__doc__}")
    module.main()
