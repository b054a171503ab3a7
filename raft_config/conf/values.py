"""One function for each kind of value: what is meant by it, or WrongValueError with "must be ...".

What may *not* live here: Django's settings, and which key a value belongs to (`reading`).
"""

from __future__ import annotations

import difflib
import math
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from django.utils.module_loading import import_string

from .options import ENGINES, EtcdOptions, FieldSpec

MIN_SECRET_LENGTH: Final = 32
MAX_URL_LENGTH: Final = 200
MAX_SHOWN: Final = 80

# The same as transport.auth.ID_PATTERN, which is on a higher floor; a test compares them.
ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
# The host as Django's own get_host() takes it (no underscore, or the peer answers 400), and a path
# that is the same before and after normalising, because it is signed (transport.auth).
_BASE_URL: Final = re.compile(
    r"https?://([A-Za-z0-9.-]+|\[[A-Fa-f0-9:.]+\])(:[0-9]{1,5})?"
    r"(/(?!\.{1,2}(/|$))[A-Za-z0-9._~-]+)*/?"
)
_DOTTED_PATH: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")


class WrongValueError(Exception):
    """What is wrong with a value; whoever took it knows of which key."""


def did_you_mean(name: str, known: Mapping[str, object] | tuple[str, ...]) -> str:
    """The ending of a message about an unknown name: the nearest one, or all of them."""
    found = difflib.get_close_matches(name.upper(), [each.upper() for each in known], n=1)
    near = next((each for each in known if found and each.upper() == found[0]), None)
    return f"Did you mean {near!r}?" if near else f"Known are: {', '.join(sorted(known))}."


def identifier(value: object) -> str:
    if isinstance(value, str) and ID.fullmatch(value):
        return value
    raise WrongValueError(
        "must be 1 to 64 letters, digits and '.', '_' or '-', beginning with a letter or digit, "
        f"not {cut(value)}."
    )


def seconds(value: object) -> float:
    # A bool is an int to Python.
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf:
        return value
    raise WrongValueError(f"must be a finite number of seconds above 0, not {cut(value)}.")


def count(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise WrongValueError(f"must be a whole number, 0 or more, not {cut(value)}.")


def base_url(value: object) -> str:
    if (
        isinstance(value, str)
        and len(value) <= MAX_URL_LENGTH
        and (match := _BASE_URL.fullmatch(value))
        and (match[2] is None or 0 < int(match[2][1:]) < 2**16)
    ):
        return value.rstrip("/")
    # A user name and password in it are not repeated: messages end in logs.
    shown = "" if isinstance(value, str) and "@" in value else f", not {cut(value)}"
    raise WrongValueError(
        "must be an address like 'http://10.0.0.2:8000/raft' (http or https, a host without "
        f"underscore, the prefix of the app's urls; no user, query or fragment){shown}."
    )


def url_problem(value: str) -> str:
    """What is wrong with a node's URL, "" if nothing is."""
    try:
        base_url(value)
    except WrongValueError as error:
        return str(error)
    return ""


def boolean(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise WrongValueError(f"must be True or False, not {cut(value)}.")


def optional_url(value: object) -> str:
    return "" if value == "" else base_url(value)


def peers(value: object) -> Mapping[str, str]:
    found = _provided_peers(value) if isinstance(value, str) else value
    if not isinstance(found, Mapping):
        raise WrongValueError(
            "must be a dict of node id -> base URL, or the dotted path to a callable that returns "
            f"one, not {cut(found)}."
        )
    taken: dict[str, str] = {}
    for node_id, url in found.items():
        taken[_entry(node_id, identifier, node_id)] = _entry(node_id, base_url, url)
    _require_distinct(taken)
    return MappingProxyType(taken)


def _entry(node_id: object, parse: Callable[[object], str], value: object) -> str:
    try:
        return parse(value)
    except WrongValueError as error:
        raise WrongValueError(f"has a wrong entry {cut(node_id)}: it {error}") from error


def _provided_peers(path: str) -> object:
    try:
        provider = import_string(path)
    except ImportError as error:
        raise WrongValueError(f"names {path!r}, which cannot be imported: {error}.") from error
    if not callable(provider):
        raise WrongValueError(f"names {path!r}, which is no callable; put the dict itself there.")
    return provider()


def _require_distinct(peers: Mapping[str, str]) -> None:
    # One node under two ids would be two of the majority.
    seen: dict[str, str] = {}
    for node_id, url in peers.items():
        other = seen.setdefault(url.lower(), node_id)
        if other != node_id:
            raise WrongValueError(
                f"gives {other!r} and {node_id!r} the same URL; each node needs its own."
            )


MAKE_KEY: Final = (
    'Make one with: python -c "import secrets; print(secrets.token_urlsafe(32))" '
    "and give the same to every node."
)


def secrets(value: object) -> tuple[str, ...]:
    # No message repeats a secret, whatever is wrong with it.
    if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
        raise WrongValueError(
            "must be a list of strings: the first signs or encrypts, all of them verify or decrypt."
        )
    for number, secret in enumerate(value, start=1):
        if len(secret) < MIN_SECRET_LENGTH:
            raise WrongValueError(
                f"has a secret (number {number}) of {len(secret)} characters, fewer than "
                f"{MIN_SECRET_LENGTH}. {MAKE_KEY}"
            )
        # As when one node strips the line that it reads from a file, and another does not.
        if secret != secret.strip():
            raise WrongValueError(
                f"has a secret (number {number}) with white space at an end; strip() it."
            )
    if len(set(value)) < len(value):
        raise WrongValueError("has the same secret twice; remove one.")
    return tuple(value)


def declarations(value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        raise WrongValueError(f"must be a dict of name -> Setting(...), not {cut(value)}.")
    return MappingProxyType(dict(value))


def form_fields(value: object) -> Mapping[str, FieldSpec]:
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        raise WrongValueError(f"must be a dict of name -> [form field, options], not {cut(value)}.")
    return MappingProxyType({name: _field_spec(name, each) for name, each in value.items()})


def _field_spec(name: str, given: object) -> FieldSpec:
    match given:
        case [field_class]:
            return field_class, {}
        case [field_class, Mapping() as options]:
            return field_class, dict(options)
        case _:
            raise WrongValueError(
                f"has a wrong entry {name!r}: it must be [dotted path of a form field, {{option: "
                f"value}}], not {cut(given)}."
            )


def fieldsets(value: object) -> tuple[tuple[str, tuple[str, ...]], ...]:
    pairs = value.items() if isinstance(value, Mapping) else value
    found = []
    for pair in pairs if isinstance(pairs, Iterable) else [None]:
        match pair:
            case [str() as title, ([*_] | {"fields": [*_]}) as content]:
                names = content["fields"] if isinstance(content, Mapping) else content
                found.append((title, tuple(str(name) for name in names)))
            case _:
                raise WrongValueError(
                    "must be a dict of group -> names of settings, or of group -> {'fields': "
                    f"names}}, not {cut(value)}."
                )
    return tuple(found)


def callable_or_path(value: object) -> Callable[..., object] | str | None:
    if value is None or callable(value):
        return value
    if isinstance(value, str) and _DOTTED_PATH.fullmatch(value):
        return value
    raise WrongValueError(f"must be a callable or its dotted path, not {cut(value)}.")


def absolute_path(value: object) -> str:
    if value == "":
        return ""
    if isinstance(value, str | os.PathLike) and Path(value).is_absolute():
        return str(value)
    raise WrongValueError(f"must be an absolute path, the same in every process, not {cut(value)}.")


def engine(value: object) -> str:
    if isinstance(value, str) and value in ENGINES:
        return value
    raise WrongValueError(f"must be one of {', '.join(map(repr, ENGINES))}, not {cut(value)}.")


def etcd_options(value: object) -> dict[str, Any]:
    """What is given, by the names of `EtcdOptions`."""
    if not isinstance(value, Mapping):
        raise WrongValueError(f"must be a dict. {ETCD_EXAMPLE}")
    known = {each.name.upper(): each.name for each in fields(EtcdOptions)}
    for key in value:
        if key not in known:
            raise WrongValueError(
                f"has a wrong key {key!r}. {did_you_mean(str(key), tuple(known))}"
            )
    found = {known[key]: given for key, given in value.items()}
    endpoints = found.pop("endpoints", ())
    if isinstance(endpoints, str) or not isinstance(endpoints, Iterable) or not endpoints:
        raise WrongValueError(f"must name at least one of ENDPOINTS, in a list. {ETCD_EXAMPLE}")
    _check_etcd_texts(found)
    return {**found, "endpoints": tuple(base_url(each) for each in endpoints)}


def _check_etcd_texts(found: dict[str, Any]) -> None:
    for name, given in found.items():
        if not isinstance(given, str):  # not shown: it may be a password
            raise WrongValueError(
                f"must have a string as {name.upper()}, not {type(given).__name__}."
            )
    for one, other in (("user", "password"), ("cert", "key")):
        if bool(found.get(one)) != bool(found.get(other)):
            raise WrongValueError(f"must have {one.upper()} and {other.upper()}, or neither.")
    prefix = found.get("prefix", "-")
    if not prefix.strip("/") or prefix.endswith("/"):
        raise WrongValueError("must have a PREFIX of its own like '/raft_config/shop'.")


ETCD_EXAMPLE: Final = "Write {'ENDPOINTS': ['https://10.0.0.1:2379', ...]}."


def cut(value: object) -> str:
    text = repr(value)
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 3]}..."
