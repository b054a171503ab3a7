"""Group commit: one append for all that waits, and to each the answer that is its own."""

import threading

import pytest

from raft_config.core.effects import Accepted, Refusal, Refused
from raft_config.group_commit import GroupCommit

from .peers import eventually

STATE = object()
FOR_LONG = 20.0


class Log:
    """Appends commands one after the other; holds the first append until it is let go."""

    def __init__(self, *, too_large=(), refusal=None, error=None):
        self.appends = []
        self.too_large = too_large
        self.refusal = refusal
        self.error = error
        self.begun, self.let_go = threading.Event(), threading.Event()

    def append(self, commands):
        self.appends.append(commands)
        self.begun.set()
        assert self.let_go.wait(FOR_LONG)
        if len(self.appends) > 1 and self.error:
            raise self.error
        if len(self.appends) > 1 and self.refusal:
            return STATE, Refused(self.refusal, "b")
        if set(commands) & set(self.too_large):
            return STATE, Refused(Refusal.TOO_LARGE, None)
        before = sum(map(len, self.appends[:-1]))
        return STATE, Accepted(before + 1, 7)


def proposed(log, *groups):
    """What became of each, when the first is under way while the others come, in their order."""
    group_commit = GroupCommit(log.append)
    found, threads = {}, []

    def propose(commands):
        try:
            found[commands] = group_commit.propose(commands)[1]
        except ValueError as error:
            found[commands] = error

    for commands in groups:
        thread = threading.Thread(target=propose, args=(commands,))
        thread.start()
        threads.append(thread)
        assert log.begun.wait(FOR_LONG)
        number = len(threads) - 1
        eventually(lambda number=number: len(group_commit._waiting) == number)
    log.let_go.set()
    for thread in threads:
        thread.join(FOR_LONG)
    return found


def test_what_comes_while_one_is_under_way_goes_together_in_the_next():
    log = Log()
    found = proposed(log, (b"a",), (b"b", b"c"), (b"d",))
    assert log.appends == [(b"a",), (b"b", b"c", b"d")]
    assert found == {
        (b"a",): Accepted(1, 7),
        (b"b", b"c"): Accepted(2, 7),
        (b"d",): Accepted(4, 7),
    }


def test_one_that_is_too_large_takes_no_other_with_it():
    log = Log(too_large=[b"c"])
    found = proposed(log, (b"a",), (b"b",), (b"c",), (b"d",))
    assert log.appends == [(b"a",), (b"b", b"c", b"d"), (b"b",), (b"c",), (b"d",)]
    assert [type(each) for each in found.values()] == [Accepted, Accepted, Refused, Accepted]


@pytest.mark.parametrize("refusal", [Refusal.NOT_LEADER, Refusal.TRANSFERRING])
def test_what_is_refused_whatever_it_is_is_not_asked_again(refusal):
    log = Log(refusal=refusal)
    found = proposed(log, (b"a",), (b"b",), (b"c",))
    assert log.appends == [(b"a",), (b"b", b"c")]
    assert found[b"b",] == found[b"c",] == Refused(refusal, "b")


def test_an_error_is_told_to_all_of_a_group_and_the_next_one_goes_on():
    log = Log(error=ValueError("the disk"))
    found = proposed(log, (b"a",), (b"b",), (b"c",))
    assert found[b"a",] == Accepted(1, 7)
    assert found[b"b",] is found[b"c",] is log.error
    log.error = None
    assert proposed(log, (b"d",)).keys() == {(b"d",)}
