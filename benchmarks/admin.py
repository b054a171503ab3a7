"""What it costs to save 1 of 200 settings in the admin, beside django-constance on one database."""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from pathlib import Path

from .both import set_up

COUNT = 200
DECLARATIONS = {f"NAME_{number:03}": (f"value {number}", "") for number in range(COUNT)}


def main() -> None:
    """Print queries and milliseconds of showing the form and of saving it, in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--saves", type=int, default=15)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="raft-config-bench-") as folder:
        set_up(Path(folder), DECLARATIONS)
        rows = {
            "raft_config, one setting": "/admin/raft_config/storedvalue/edit/?name=NAME_007",
            "raft_config, all 200 on a page": "/admin/raft_config/storedvalue/edit/?group=",
            "constance, all 200 on a page": "/admin/constance/config/",
        }
        client = logged_in()
        found: dict[str, list[tuple[int, float, int, float]]] = {name: [] for name in rows}
        for turn in range(options.saves):
            for name, url in rows.items():
                found[name].append(save(client, url, turn))
        print(f"{'':34} {'queries: show':>14} {'save':>6} {'ms: show':>10} {'save':>8}")
        for name, each in found.items():
            print(row(name, each))


def row(name: str, saves: Sequence[tuple[int, float, int, float]]) -> str:
    """Medians of queries and milliseconds."""
    shown, show_seconds, saved, save_seconds = (
        statistics.median(column) for column in zip(*saves, strict=True)
    )
    times = f"{1000 * show_seconds:10.1f} {1000 * save_seconds:8.1f}"
    return f"{name:34} {shown:14.0f} {saved:6.0f} {times}"


def logged_in() -> object:
    """A client of a superuser."""
    from django.contrib.auth import get_user_model  # noqa: PLC0415 - Django is set up by now
    from django.test import Client  # noqa: PLC0415

    user = get_user_model().objects.create_superuser("admin", password="x")  # noqa: S106
    client = Client()
    client.force_login(user)
    return client


def save(client: object, url: str, turn: int) -> tuple[int, float, int, float]:
    """Queries and seconds of the form, then of its POST with one value changed."""
    from tests.html_forms import read_form  # noqa: PLC0415 - a browser's eyes

    shown, seconds, page = measured(lambda: client.get(url))  # type: ignore[attr-defined]
    data = read_form(page)
    field = next(name for name in data if name.endswith("NAME_007"))
    data[field] = f"turn {turn} {time.time()}"
    data["_save"] = "Save"
    saved, save_seconds, _ = measured(lambda: post(client, url, data))
    return shown, seconds, saved, save_seconds


def post(client: object, url: str, data: Mapping[str, str]) -> object:
    response = client.post(url, data)  # type: ignore[attr-defined]
    if response.status_code != HTTPStatus.FOUND:
        raise SystemExit(f"{url} did not save: {response.status_code}")
    return response


def measured(call: object) -> tuple[int, float, str]:
    """Queries and seconds of a response, and its text."""
    from django.db import connection  # noqa: PLC0415
    from django.test.utils import CaptureQueriesContext  # noqa: PLC0415

    with CaptureQueriesContext(connection) as queries:
        begun_at = time.perf_counter()
        response = call()  # type: ignore[operator]
        seconds = time.perf_counter() - begun_at
    return len(queries), seconds, response.content.decode()


if __name__ == "__main__":
    main()
