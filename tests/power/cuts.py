"""Cuts the power at many points of a recorded run, and looks at what the database is then.

    python -m tests.power.child cuts --journal J --folder F --base B --image I --cuts 500 --seed 1

F is the folder that was recorded, B a copy of it from before, I where each state of the disk is
written to, and opened. What must hold is in `_problems`. Prints what was found, as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from django.db import DatabaseError, connections

from raft_config.conf import get_config
from raft_config.core.state import NodeState
from raft_config.operations.findings import Level
from raft_config.operations.verify import check
from raft_config.storage import stored_settings
from raft_config.storage.examining import Examined

from .desk import elect, make_node
from .disk import Cut, Disk, Record, read_journal
from .picture import Picture, look, picture_of
from .servers import SERVERS


@dataclass
class Promises:
    """What a diary says up to some point."""

    events: list[Picture] = field(default_factory=list)
    rests_on: int = -1
    """The number of the last event before the last promise."""
    term: int = 0
    votes: dict[int, str] = field(default_factory=dict)
    stored: list[tuple[int, int, int]] = field(default_factory=list)
    """Term in which it was promised, index and term of the entry."""
    written: dict[str, int] = field(default_factory=dict)
    faults: int = 0
    """How often a call of the disk has failed ..."""
    refusals: int = 0
    """... and an event with it."""
    has_failed: bool = False
    """The last event that would have changed something: it may stand on the disk all the same."""

    def take(self, line: str) -> None:
        found = json.loads(line)
        if "event" in found:
            picture = Picture(found["hard"], found["whole"])
            self.has_failed = self.has_failed and picture in self.events[-1:]
            self.events.append(picture)
            return
        if "fault" in found:
            self.faults += 1
            return
        if "failed" in found:
            self.has_failed = True
            self.refusals += 1
            return
        self.rests_on = len(self.events) - 1
        self.term = max(self.term, found.get("term", 0))
        if "vote" in found:
            self.votes[found["term"]] = found["vote"]
        if "stored" in found:
            self.stored.append((found["term"], *found["stored"]))
        self.written.update(found.get("written", {}))


@dataclass
class Verdict:
    """How many cuts there were, of a run with how much in it, and what was wrong after which."""

    cuts: int = 0
    promises: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    faults: int = 0
    refusals: int = 0
    took_back: int = 0
    """Cuts after which the node stood before an event that had happened: a relaxed one."""
    problems: list[str] = field(default_factory=list)


class Judge:
    """Brings the disk forward through the journal, and cuts the power now and then."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.dice = random.Random(options.seed)
        self.records = list(read_journal(options.journal))
        self.disk = Disk(options.folder, as_in=options.base)
        self.server = SERVERS[os.environ["POWER_SERVER"]](options.image)
        self.promises = Promises()
        self.verdict = Verdict()
        self._taken = 0
        diary = str(options.folder / "promises")
        self._diary = next(each.inode for each in self.records if each.path == diary)
        run = Promises()
        for line in filter(None, map(self._line, self.records)):
            run.take(line)
        self.events = run.events

    def _line(self, record: Record) -> str:
        is_diary = record.kind == "W" and record.inode == self._diary
        return record.data.decode() if is_diary else ""

    def judge(self) -> Verdict:
        for number in self._points():
            while self._taken <= number:
                self._take(self.records[self._taken])
            self._cut()
        return self.verdict

    def _take(self, record: Record) -> None:
        self._taken += 1
        self.disk.take(record)
        if line := self._line(record):
            self.promises.take(line)

    def _points(self) -> list[int]:
        """Half of them right after a promise, the others anywhere."""
        said = [(at, self._line(each)) for at, each in enumerate(self.records)]
        promises = [at for at, line in said if line and not line.startswith('{"event"')]
        half = self.options.cuts // 2
        points = self.dice.choices(promises, k=half)
        points += self.dice.choices(range(len(said)), k=self.options.cuts - half)
        return sorted(points)

    def _cut(self) -> None:
        cut = Cut(self.dice, self.disk.now)
        self._write(self.disk.after_cut(cut))
        self.verdict.cuts += 1
        self.verdict.kinds[cut.kind] += 1
        self.verdict.promises = len(self.promises.stored)
        self.verdict.faults, self.verdict.refusals = self.promises.faults, self.promises.refusals
        try:
            with self.server.running():
                problems = list(self._problems())
        except (DatabaseError, AssertionError) as error:
            problems = [f"{type(error).__name__}: {error}"]
        where = f"cut {self.verdict.cuts} at {cut.now}, {cut.kind}, torn at {cut.torn_at}"
        self.verdict.problems += [f"{where}: {each}" for each in problems]

    def _write(self, files: Mapping[str, bytes]) -> None:
        """SQLite's index of its WAL was in memory only; a PostgreSQL that died has no pid."""
        image = self.options.image
        connections.close_all()
        for path in image.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        shutil.copytree(self.options.base, image, dirs_exist_ok=True, ignore=_files)
        # Nobody flushes it, so a cut may leave nothing of it; what stands there now is of the end.
        Path(f"{get_config().version_file}.saves").unlink(missing_ok=True)
        for path, data in files.items():
            if not path.endswith(("-shm", "/promises", "/postmaster.pid")):
                target = image / Path(path).relative_to(self.options.folder)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(data)

    # -- what must hold

    def _problems(self) -> Iterator[str]:
        found = look()
        if found is None:
            if self.promises.rests_on >= 0:
                yield "the node has no row"
            return
        yield from (each.text for each in check(found) if each.level is Level.ERROR)
        yield from self._broken(found.state)
        yield from self._not_in_the_log(found)
        yield from self._neither_before_nor_after(found)
        yield from self._lost_writes()

    def _broken(self, state: NodeState) -> Iterator[str]:
        """A term that was told, or a vote that was given, and is forgotten."""
        if state.current_term < self.promises.term:
            yield f"term {self.promises.term} was told, and is {state.current_term}"
        voted_for = self.promises.votes.get(state.current_term)
        if voted_for not in (None, state.voted_for):
            yield f"the vote was {voted_for}'s in term {state.current_term}: {state.voted_for}"

    def _not_in_the_log(self, found: Examined) -> Iterator[str]:
        """In the same term, no entry that was acknowledged may be missing (Raft §5.3)."""
        terms = {each.index: each.term for each in found.entries}
        for promised_in, index, term in self.promises.stored:
            counts = promised_in == found.state.current_term and index > found.base[0]
            if counts and terms.get(index) != term:
                yield f"entry {index} of term {term} was acknowledged: {terms.get(index)}"

    def _neither_before_nor_after(self, found: Examined) -> Iterator[str]:
        """It must be as after some event, and not before the last one that promises rest on."""
        picture = picture_of(found)
        if self.promises.has_failed and picture not in self.events:
            return
        first = self.promises.rests_on
        while first > 0 and self.events[first - 1].hard == self.events[first].hard:
            first -= 1
        last = len(self.promises.events)  # it may have been committed, and not written down yet
        if picture not in self.events[max(0, first) : last + 1]:
            when = self.events.index(picture) if picture in self.events else "no"
            yield f"it is as after {when} event, and should be as after one of {first} to {last}"
        elif picture not in self.events[last - 1 : last + 1]:
            self.verdict.took_back += 1

    def _lost_writes(self) -> Iterator[str]:
        """What a client was told to be written is read, once the node is elected again."""
        elect(make_node())
        _, values = stored_settings("default")
        for name, number in self.promises.written.items():
            if name not in values or int(values[name].text) < number:
                yield f"{name} = {number} was acknowledged, and is {values.get(name)}"
        yield from (each.text for each in check(look()) if each.level is Level.ERROR)


def _files(folder: str, names: list[str]) -> list[str]:
    """Copy folders, not what is in them."""
    return [each for each in names if (Path(folder) / each).is_file()]


def main(arguments: Iterable[str] | None = None) -> None:
    parser = argparse.ArgumentParser()
    for name in ("journal", "folder", "base", "image"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--cuts", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    verdict = Judge(parser.parse_args(arguments)).judge()
    json.dump(vars(verdict), sys.stdout)
