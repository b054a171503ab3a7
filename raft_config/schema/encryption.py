"""Secrets in the log and at rest: encrypted with a key ring that the cluster does not replicate.

Each key is derived from one entry of RAFT_CONFIG["ENCRYPTION_KEYS"]; the first encrypts, all
decrypt. Fernet (AES-128-CBC and HMAC-SHA256) from `cryptography`, which is imported only here, and
only when there is a secret.
"""

from __future__ import annotations

import base64
from functools import lru_cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from ..conf import MAKE_KEY, get_config, name_of
from ..exceptions import noop
from .strict import SchemaError, parse_typed, require_text

if TYPE_CHECKING:
    from cryptography.fernet import Fernet, MultiFernet

STORED: Final = "secret"
"""The type that the text states."""
_CONTEXT: Final = b"raft_config secret settings 1"
"""So that the same string elsewhere gives another key."""


def encrypt(text: str) -> str:
    """The token. Raises SchemaError where nothing can be encrypted."""
    return _ring().encrypt(text.encode()).decode()


def decrypt(token: str) -> str:
    """What was encrypted. Raises SchemaError, whatever the token is."""
    data, ring = require_text(token), _ring()
    from cryptography.fernet import InvalidToken  # noqa: PLC0415 -- optional

    try:
        return ring.decrypt(data.encode()).decode()
    except (InvalidToken, UnicodeDecodeError) as error:
        raise SchemaError(
            noop("is encrypted with a key that is not among %(keys)s"),
            keys=name_of("ENCRYPTION_KEYS"),
        ) from error


def token_of(text: str) -> str | None:
    """What is encrypted in a stored text; None if nothing is."""
    if f'"{STORED}"' not in str(text):
        return None  # nearly always: so that nothing is parsed twice
    try:
        stored, token = parse_typed(text)
    except SchemaError:
        return None
    return token if stored == STORED and isinstance(token, str) else None


def needs_reencryption(text: str) -> bool:
    """Whether a stored text is encrypted, but with another key than the first.

    Raises SchemaError if no key of the ring decrypts it.
    """
    token = token_of(text)
    if token is None:
        return False
    decrypt(token)
    from cryptography.fernet import InvalidToken  # noqa: PLC0415 -- optional

    try:
        _fernets(get_config().encryption_keys)[0].decrypt(token)
    except InvalidToken:
        return True
    return False


def obstacle() -> str:
    """Why this process cannot keep secrets; "" if it can."""
    if find_spec("cryptography") is None:
        return "needs the package cryptography: pip install 'raft_config[secrets]'"
    if not get_config().encryption_keys:
        return f"needs {name_of('ENCRYPTION_KEYS')}. {MAKE_KEY}"
    return ""


def _ring() -> MultiFernet:
    if problem := obstacle():
        raise SchemaError(f"is a secret, which {problem}")
    from cryptography.fernet import MultiFernet  # noqa: PLC0415 -- optional

    return MultiFernet(_fernets(get_config().encryption_keys))


@lru_cache(maxsize=4)
def _fernets(keys: tuple[str, ...]) -> tuple[Fernet, ...]:
    from cryptography.fernet import Fernet  # noqa: PLC0415 -- optional
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF  # noqa: PLC0415

    # The entries are random, so that no slow derivation is called for.
    derived = (HKDF(SHA256(), 32, None, _CONTEXT).derive(key.encode()) for key in keys)
    return tuple(Fernet(base64.urlsafe_b64encode(key)) for key in derived)
