"""The engine "etcd" against a real one; see `server` for how to have these tests run."""
