"""The actions of `manage.py raft_config`, a module for each kind; `terminal` is what they share."""
