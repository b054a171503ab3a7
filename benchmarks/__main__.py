"""All measurements, one after the other."""

from . import failover, idle, read, writes

for module in (read, writes, failover, idle):
    print(f"-- {module.__doc__}")
    module.main()
