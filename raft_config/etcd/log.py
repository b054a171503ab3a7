"""The log of a cluster, as it is kept in etcd: entries, a snapshot of what went before, the end.

    PREFIX/life                 whose log this is; put once, when it is founded
    PREFIX/generation           the same in short, for comparison by every append
    PREFIX/tail                 the last index, the one key that every append compares and moves
    PREFIX/log/<index>          the command, as it stands in any log of this package
    PREFIX/snapshot             index and digest of the latest snapshot
    PREFIX/chunk/<digest>/<n>   its bytes
    PREFIX/moved                what the nodes of another engine begin with, once it was moved there
    PREFIX/moved/<n>            its bytes
    PREFIX/hash                 what the values come to, by the node that was ahead of the others
    PREFIX/leader               see `lease`

An append is one transaction: if the tail is what was thought, put the entries and move it. So the
indexes have no gap, and one change has one place; whoever was late gets the new tail with the
refusal. Nothing below the snapshot is needed any more, and is deleted in the same transaction that
puts a newer one. etcd's own compaction of old revisions takes nothing of this: all keys are live.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from ..exceptions import PeerRejectedError, UnavailableError, noop
from .gateway import Answer, Gateway, decoded, encoded

CHUNK_BYTES: Final = 256 * 1024
"""In JSON a third more; etcd takes requests of 1.5 MB."""

FORMAT: Final = 1

MOVED: Final = b"moved to another engine"
"""In place of the generation, once a life has ended."""

MOST_READ: Final = 64
"""So many entries come with one look."""


@dataclass(frozen=True, slots=True)
class Life:
    """What is founded once: nodes follow one life, and take nothing in from another."""

    generation: str
    term: int
    """Of every entry of this log: etcd elects, and what it elects is its own affair."""
    source: str = ""
    """Which cluster was moved here, "" for none: see `operations.moving`."""
    index: int = 1
    """Of the snapshot that it began with."""
    format: int = FORMAT


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that was applied through an index."""

    index: int
    size_bytes: int
    digest: str


@dataclass(frozen=True, slots=True)
class Moved:
    """The end of a life: nothing is appended after it, and every node goes on from it alike."""

    snapshot: Snapshot
    generation: str
    """Of the cluster that goes on with it."""


@dataclass(frozen=True, slots=True)
class View:
    """The log from some index on, as of one revision of etcd."""

    life: Life
    tail: int
    snapshot: Snapshot
    entries: tuple[tuple[int, bytes], ...]
    """Consecutive, with their indexes; those before the first one are trimmed."""


class EtcdLog:
    """The keys under one prefix; nothing is remembered but the tail, to guess it right."""

    def __init__(self, gateway: Gateway, prefix: str) -> None:
        self.gateway = gateway
        self.prefix = prefix
        self._tail = 0

    # -- reading

    def look(self, start: int, *, limit: int = MOST_READ) -> View | None:
        """The end of the log from `start` on; None where no log was founded. Linearizable."""
        entries = self._range("log/" + _number(start), "log0", limit=limit)
        keys = [self._range(each) for each in ("life", "tail", "snapshot")]
        answer = self._txn([], [*keys, entries])
        life, tail, snapshot, found = (_found(each) for each in answer["responses"])
        if not life:
            return None
        self._tail = int(tail[0][1])
        numbered = tuple((int(key[-20:]), value) for key, value in found)
        return View(
            _life(life[0][1]),
            self._tail,
            Snapshot(**json.loads(snapshot[0][1])),
            tuple(each for place, each in enumerate(numbered) if each[0] == numbered[0][0] + place),
        )

    def tail(self) -> int:
        """The last index now, in the whole of etcd."""
        answer = self.gateway.ask("kv/range", {"key": self._encoded("tail")})
        if not answer.get("kvs"):
            raise self.nothing()
        self._tail = int(decoded(answer["kvs"][0]["value"]))
        return self._tail

    def chunk(self, snapshot: Snapshot, offset: int, place: str = "chunk/") -> bytes:
        """The chunk that begins there; b"" once another snapshot has taken its place."""
        key = self._encoded(place + _chunk_key(snapshot.digest, offset))
        found = self.gateway.ask("kv/range", {"key": key}).get("kvs")
        return decoded(found[0]["value"]) if found else b""

    def snapshot_data(self, snapshot: Snapshot, place: str = "chunk/") -> bytes:
        """All of it. Raises UnavailableError when another one is just taking its place."""
        data = b""
        while len(data) < snapshot.size_bytes and (chunk := self.chunk(snapshot, len(data), place)):
            data += chunk
        if hashlib.sha256(data).hexdigest() != snapshot.digest:
            raise UnavailableError(noop("etcd is just getting another snapshot; try again."))
        return data

    def moved(self) -> Moved | None:
        """What this log was moved away with, if it was."""
        found = self.gateway.ask("kv/range", {"key": self._encoded("moved")}).get("kvs")
        if not found:
            return None
        content = json.loads(decoded(found[0]["value"]))
        return Moved(Snapshot(**content["snapshot"]), content["generation"])

    def told_hash(self) -> tuple[int, int]:
        """As of which index a node has told the hash of its values, and the hash."""
        found = self.gateway.ask("kv/range", {"key": self._encoded("hash")}).get("kvs")
        index, values_hash = decoded(found[0]["value"]).split() if found else (0, 0)
        return int(index), int(values_hash)

    # -- writing

    def tell_hash(self, index: int, values_hash: int) -> None:
        """Leave it for the others to compare, unless one of them did as of this index or later."""
        told = f"{_number(index)} {values_hash}".encode()
        # As text: of two numbers of one length the lower one comes first.
        is_later = {**self._is("hash", _number(index).encode()), "result": "LESS"}
        self._txn([is_later], [self._put("hash", told)])

    def append(self, commands: Sequence[bytes], generation: str) -> int | None:
        """The index of the first of them; None if others were faster: try again.

        Raises as `Gateway.ask`, and PeerRejectedError where another life is kept.
        """
        first = self._tail + 1
        last = first + len(commands) - 1
        conditions = [
            self._is("tail", str(self._tail).encode()),
            {**self._compare("log/" + _number(first)), "target": "VERSION", "version": "0"},
        ]
        puts = [
            self._put("log/" + _number(index), command)
            for index, command in enumerate(commands, first)
        ]
        puts.append(self._put("tail", str(last).encode()))
        keys = [self._range("generation"), self._range("tail")]
        answer = self._txn([self._is_of(generation), *conditions], puts, instead=keys)
        if answer.get("succeeded"):
            self._tail = last
            return first
        whose, tail = (_found(each) for each in answer["responses"])
        self._require(whose, generation)
        self._tail = int(tail[0][1])
        return None

    def found(self, life: Life, data: bytes) -> bool:
        """Begin a log, with a snapshot of what was before; False if there is one already."""
        snapshot = self._store_chunks(life.index, data)
        is_new = {**self._compare("life"), "target": "VERSION", "version": "0"}
        puts = [
            self._put("life", _dumped(asdict(life))),
            self._put("generation", life.generation.encode()),
            self._put("tail", str(life.index).encode()),
            self._put("hash", f"{_number(0)} 0".encode()),
            self._put("snapshot", _dumped(asdict(snapshot))),
        ]
        return bool(self._txn([is_new], puts).get("succeeded"))

    def trim(self, view: View, index: int, data: bytes, keep_from: int) -> bool:
        """Put a newer snapshot in place of the view's, and delete the entries before `keep_from`.

        False if somebody else did.
        """
        snapshot = self._store_chunks(index, data)
        own_chunks = f"chunk/{snapshot.digest}"
        writes = [
            self._put("snapshot", _dumped(asdict(snapshot))),
            self._delete("log/", "log/" + _number(keep_from)),
            # Also those of an upload that was broken off; one under way will find itself too late.
            self._delete("chunk/", f"{own_chunks}/"),
            self._delete(f"{own_chunks}0", "chunk0"),
        ]
        is_same = self._is("snapshot", _dumped(asdict(view.snapshot)))
        answer = self._txn([self._is_of(view.life.generation), is_same], writes)
        return bool(answer.get("succeeded"))

    def move_away(self, generation: str, index: int, data: bytes, new_generation: str) -> bool:
        """End this life with that snapshot of all of it; False if more was appended meanwhile."""
        snapshot = self._store_chunks(index, data, "moved/")
        content = {"snapshot": asdict(snapshot), "generation": new_generation}
        conditions = [self._is_of(generation), self._is("tail", str(index).encode())]
        # No append finds its generation from here on.
        ends = [self._put("moved", _dumped(content)), self._put("generation", MOVED)]
        return bool(self._txn(conditions, ends).get("succeeded"))

    def _store_chunks(self, index: int, data: bytes, place: str = "chunk/") -> Snapshot:
        digest = hashlib.sha256(data).hexdigest()
        for offset in range(0, len(data), CHUNK_BYTES):
            value = data[offset:][:CHUNK_BYTES]
            key = self._encoded(place + _chunk_key(digest, offset))
            self.gateway.ask("kv/put", {"key": key, "value": encoded(value)})
        return Snapshot(index, len(data), digest)

    def _require(self, found: Sequence[tuple[str, bytes]], generation: str) -> None:
        if not found:
            raise self.nothing()
        if found[0][1] == MOVED:
            raise UnavailableError(
                noop(
                    "The settings were moved from etcd to another engine: nothing was changed. On "
                    "this node, run manage.py raft_config move --to raft, and set ENGINE in "
                    "RAFT_CONFIG."
                )
            )
        if found[0][1] != generation.encode():
            raise self.of_another_life()

    def of_another_life(self) -> PeerRejectedError:
        """Why what is found there is not taken in."""
        return PeerRejectedError(
            noop(
                "What etcd keeps under %(prefix)s is not what this node follows: it was moved, or "
                "founded anew, or the PREFIX is wrong. If this node is to follow it: manage.py "
                "raft_config move --to etcd."
            ),
            prefix=self.prefix,
        )

    def nothing(self) -> UnavailableError:
        """Why a node finds nothing to follow any more."""
        return UnavailableError(
            noop(
                "etcd keeps no settings under %(prefix)s: it lost them, or the PREFIX is wrong. "
                "What this node has can be brought there: manage.py raft_config move --to etcd."
            ),
            prefix=self.prefix,
        )

    # -- the parts of a transaction

    def _txn(
        self,
        compare: Sequence[Answer],
        success: Sequence[Answer],
        *,
        instead: Sequence[Answer] = (),
    ) -> Answer:
        content = {"compare": compare, "success": success, "failure": instead}
        return self.gateway.ask("kv/txn", content)

    def _key(self, name: str) -> bytes:
        return f"{self.prefix}/{name}".encode()

    def _encoded(self, name: str) -> str:
        return encoded(self._key(name))

    def _compare(self, name: str) -> Answer:
        return {"key": self._encoded(name), "result": "EQUAL"}

    def _is(self, name: str, value: bytes) -> Answer:
        return {**self._compare(name), "target": "VALUE", "value": encoded(value)}

    def _is_of(self, generation: str) -> Answer:
        return self._is("generation", generation.encode())

    def _put(self, name: str, value: bytes) -> Answer:
        return {"request_put": {"key": self._encoded(name), "value": encoded(value)}}

    def _range(self, name: str, end: str = "", *, limit: int = 0) -> Answer:
        key = {"key": self._encoded(name)}
        if end:
            key |= {"range_end": self._encoded(end), "limit": str(limit)}
        return {"request_range": key}

    def _delete(self, name: str, end: str) -> Answer:
        key = {"key": self._encoded(name), "range_end": self._encoded(end)}
        return {"request_delete_range": key}


def _number(index: int) -> str:
    return f"{index:020}"


def _chunk_key(digest: str, offset: int) -> str:
    return f"{digest}/{_number(offset)}"


def _found(response: Mapping[str, Any]) -> list[tuple[str, bytes]]:
    """Keys and values of a range within a transaction."""
    return [
        (decoded(each["key"]).decode(), decoded(each.get("value", "")))
        for each in response["response_range"].get("kvs", ())
    ]


def _life(value: bytes) -> Life:
    found = json.loads(value)
    if found["format"] != FORMAT:
        raise UnavailableError(
            noop("etcd keeps a log of format %(format)s: upgrade this node."),
            format=found["format"],
        )
    return Life(**found)


def _dumped(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
