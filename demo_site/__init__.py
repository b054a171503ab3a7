"""A small shop whose settings live in raft_config; `make demo` runs several nodes of it."""
