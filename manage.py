#!/usr/bin/env python
"""Django's command line over the demo site; alone, it is a cluster of one in demo_data/node-solo.

For a node of `make demo`: python -m demo_site manage a raft_status.
"""

import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "demo_site.settings")
    execute_from_command_line(sys.argv)
