"""What keeps pages and catalogues fresh: run by `make check`, never shipped."""
