"""The disk that the power cuts are played on: what it may lose, and what it must not."""

import random

from .disk import PAGE, SECTOR, Cut, Disk, Record

FILE, FOLDER = 1, 2


class Journal:
    """Brings a disk forward by calls as `shim.c` writes them down."""

    def __init__(self, tmp_path, **files):
        self.folder, self.before = tmp_path / "now", tmp_path / "before"
        for folder in (self.folder, self.before):
            folder.mkdir()
        for name, data in files.items():
            (self.before / name).write_bytes(data)
        self.disk = Disk(self.folder, as_in=self.before)
        self.at = 0
        self.say("O", inode=FOLDER, name="")

    def say(self, kind, *, inode=FILE, name="", offset=0, data=b"", seen=None):
        seen = self.at if seen is None else seen
        self.at += 100
        path = str(self.folder / name).rstrip("/")
        self.disk.take(Record(self.at, kind, inode, path, offset, data, seen))

    def found(self, name, cuts=200):
        """What is found of a file after many cuts; None where it is not there."""
        path = str(self.folder / name)
        dice = random.Random(1)
        return {self.disk.after_cut(Cut(dice, self.disk.now)).get(path) for _ in range(cuts)}


def test_what_was_flushed_is_there_and_of_the_rest_any_sector_may_be(tmp_path):
    journal = Journal(tmp_path, f=b"a" * 2 * SECTOR)
    journal.say("O", name="f")
    journal.say("W", data=b"b" * 2 * SECTOR)
    a, b, c = (bytes([each]) * SECTOR for each in b"abc")
    assert journal.found("f") == {a + a, a + b, b + a, b + b}
    journal.say("S")
    assert journal.found("f") == {b + b}
    journal.say("W", data=c)
    assert journal.found("f") == {b + b, c + b}


def test_a_write_that_began_after_the_flush_is_not_flushed_with_it(tmp_path):
    journal = Journal(tmp_path, f=b"a")
    journal.say("O", name="f")
    begun = journal.at
    journal.say("W", data=b"b")
    journal.say("S", seen=begun)
    assert journal.found("f") == {b"a", b"b"}


def test_a_length_may_come_before_what_is_in_it(tmp_path):
    journal = Journal(tmp_path, f=b"")
    journal.say("O", name="f")
    journal.say("W", data=b"x")
    assert journal.found("f") == {b"", b"\0", b"x"}
    journal.say("T", offset=0)
    journal.say("S")
    assert journal.found("f") == {b""}


def test_a_new_name_is_certain_with_its_file_and_another_one_with_its_folder(tmp_path):
    journal = Journal(tmp_path)
    journal.say("O", name="f")
    assert journal.found("f") == {None, b""}
    journal.say("S")
    assert journal.found("f") == {b""}
    journal.say("R", name="f", data=str(journal.folder / "g").encode())
    assert journal.found("f") == journal.found("g") == {None, b""}
    journal.say("S")
    assert journal.found("g") == {None, b""}
    journal.say("S", inode=FOLDER)
    assert (journal.found("f"), journal.found("g")) == ({None}, {b""})


def test_a_file_that_is_made_again_does_not_vanish_with_its_predecessor(tmp_path):
    journal = Journal(tmp_path, f=b"old")
    journal.say("O", name="f")
    journal.say("U", name="f")
    journal.say("O", name="f", inode=3)
    assert journal.found("f") == {None, b"old", b""}
    journal.say("S", inode=3)
    assert journal.found("f") == {b""}


def test_what_a_failed_flush_has_lost_comes_only_with_a_later_write(tmp_path):
    journal = Journal(tmp_path, f=b"a" * 2 * PAGE)
    journal.say("O", name="f")
    journal.say("W", data=b"b" * 2 * PAGE)
    journal.say("L")
    journal.say("S")
    assert journal.found("f") == {b"a" * 2 * PAGE}
    journal.say("W", data=b"c")
    journal.say("S")
    assert journal.found("f") == {b"c" + b"b" * (PAGE - 1) + b"a" * PAGE}
