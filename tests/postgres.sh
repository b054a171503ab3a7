#!/usr/bin/env bash
# Runs a command with a PostgreSQL of its own, and with the variables that lead the tests there:
#     tests/postgres.sh .venv/bin/python -m pytest tests/storage
# The server lives in a temporary directory, listens on a socket in there and nowhere else, and is
# gone when the command ends. It flushes as a real one does: the tests are about that, too.
set -euo pipefail

bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1)
if [ -z "$bin" ]; then
    echo "tests/postgres.sh: install PostgreSQL first (Debian: apt-get install postgresql)." >&2
    exit 1
fi

dir=$(mktemp -d /tmp/raft_config_postgres.XXXXXX)
as_owner=()
# PostgreSQL refuses to run as root.
if [ "$(id -u)" = 0 ]; then
    chown postgres "$dir"
    as_owner=(setpriv --reuid=postgres --regid=postgres --clear-groups)
fi

"${as_owner[@]}" "$bin/initdb" -D "$dir/data" -A trust -U postgres -E UTF8 --no-locale >"$dir.log"
"${as_owner[@]}" "$bin/postgres" -D "$dir/data" -k "$dir" -c listen_addresses= >>"$dir.log" 2>&1 &
server=$!
# A test may have ended it, and begun another one that ends with the test.
trap 'kill -INT $server 2>/dev/null || true; wait $server 2>/dev/null || true; rm -rf "$dir" "$dir.log"' EXIT

for _ in $(seq 100); do
    "$bin/pg_isready" -q -h "$dir" && break
    sleep 0.1
done
"$bin/pg_isready" -q -h "$dir" || { cat "$dir.log" >&2; exit 1; }

export RAFT_CONFIG_TEST_DB=postgres PGHOST="$dir" PGUSER=postgres PGDATABASE=postgres
"$@"
