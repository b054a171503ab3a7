"""The project of a child process: the app, over the test's database."""

import json
import os

DATABASES = {"default": json.loads(os.environ["RAFT_CONFIG_CHILD_DATABASE"])}
INSTALLED_APPS = ["raft_config"]
USE_TZ = True
