"""All measurements, one after the other, each in a process of its own."""

import subprocess
import sys

for module in (
    "read",
    "start",
    "admin",
    "writes",
    "beside",
    "failover",
    "idle",
    "growth",
    "catch_up",
):
    command = [sys.executable, "-m", f"benchmarks.{module}"]
    print(f"-- {' '.join(command[1:])}", flush=True)
    subprocess.run(command, check=True)  # noqa: S603 - our own command
