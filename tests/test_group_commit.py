"""Group commit: one append for all that waits, and to each the answer that is its own."""

import threading

import pytest

from raft_config import group_commit as group_commits
from raft_config.core.effects import Accepted, Refusal, Refused
from raft_config.group_commit import GroupCommit

from .peers import eventually

STATE = object()
FOR_LONG = 20.0


def at_once(_index, wake):
    """All is applied already."""
    wake()


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


@pytest.fixture(autouse=True)
def nobody_looks_itself(monkeypatch):
    """Who sleeps has to be woken."""
    monkeypatch.setattr(group_commits, "SLEEP_SECONDS", FOR_LONG)


def started(log, *groups, when_applied=at_once):
    """What becomes of each, and their threads: the others come while the first is under way."""
    group_commit = GroupCommit(log.append, when_applied)
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
    return found, threads


def proposed(log, *groups):
    """What became of each of them."""
    found, threads = started(log, *groups)
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


def test_no_more_commands_go_together_than_fit(monkeypatch):
    monkeypatch.setattr(group_commits, "MOST_COMMANDS", 3)
    log = Log()
    found = proposed(log, (b"a",), (b"b", b"c"), (b"d",), (b"e",))
    assert log.appends == [(b"a",), (b"b", b"c", b"d"), (b"e",)]
    assert found[b"e",] == Accepted(5, 7)


def test_no_more_bytes_go_together_than_fit_but_one_at_least(monkeypatch):
    monkeypatch.setattr(group_commits, "MOST_BYTES", 4)
    log = Log()
    proposed(log, (b"a",), (b"large",), (b"bb",), (b"cc",), (b"d",))
    assert log.appends == [(b"a",), (b"large",), (b"bb", b"cc"), (b"d",)]


def test_one_that_is_too_large_takes_no_other_with_it():
    log = Log(too_large=[b"c"])
    found = proposed(log, (b"a",), (b"b",), (b"c",), (b"d",))
    assert log.appends == [(b"a",), (b"b", b"c", b"d"), (b"b",), (b"c",), (b"d",)]
    assert [type(found[each,]) for each in (b"a", b"b", b"c", b"d")] == [
        *(Accepted, Accepted, Refused, Accepted)
    ]


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


def test_who_is_accepted_is_woken_once_what_it_proposed_is_applied():
    called = {}
    log = Log()
    found, threads = started(log, (b"a",), (b"b", b"c"), (b"d",), when_applied=called.__setitem__)
    eventually(lambda: called.keys() == {4})  # b, who stores for both, waits for itself
    assert found.keys() == {(b"a",), (b"b", b"c")}
    called[4]()
    for thread in threads:
        thread.join(FOR_LONG)
    assert found[b"d",] == Accepted(4, 7)


def test_who_is_accepted_and_not_called_looks_itself_after_a_while(monkeypatch):
    monkeypatch.setattr(group_commits, "SLEEP_SECONDS", 0.01)
    log = Log()
    found, threads = started(log, (b"a",), (b"b",), (b"c",), when_applied=lambda *_: None)
    for thread in threads:
        thread.join(FOR_LONG)
    assert found[b"c",] == Accepted(3, 7)


class GivesUpError(BaseException):
    """As a worker that interrupts one of its threads."""


class Impatient(threading.Thread):
    """Proposes, and gives up as soon as it is told to while it sleeps."""

    def __init__(self, group_commit, commands):
        super().__init__()
        self.group_commit, self.commands = group_commit, commands
        self.gives_up, self.has_given_up = threading.Event(), False

    def run(self):
        try:
            self.group_commit.propose(self.commands)
        except GivesUpError:
            self.has_given_up = True


class Sleep:
    """A lock whose holder may give up waiting for it."""

    def __init__(self, thread):
        self.lock, self.thread = threading.Lock(), thread
        self.release, self.locked = self.lock.release, self.lock.locked

    def acquire(self, timeout=-1.0):
        if self.lock.acquire(blocking=False):
            return True
        assert self.thread.gives_up.wait(FOR_LONG)
        raise GivesUpError


@pytest.mark.parametrize("is_its_turn", [False, True])
def test_one_that_gives_up_does_not_take_the_turn_of_the_others_with_it(is_its_turn):
    log = Log()
    group_commit = GroupCommit(log.append, at_once)
    first = threading.Thread(target=group_commit.propose, args=((b"a",),))
    first.start()
    assert log.begun.wait(FOR_LONG)
    impatient = Impatient(group_commit, (b"b",))
    make = group_commits._Waiting

    def made(commands):
        return make(commands, sleeps=Sleep(impatient))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(group_commits, "_Waiting", made)
        impatient.start()
        eventually(lambda: len(group_commit._waiting) == 1)
    last = threading.Thread(target=group_commit.propose, args=((b"c",),))
    last.start()
    eventually(lambda: len(group_commit._waiting) == 2)
    if is_its_turn:
        log.let_go.set()
        eventually(lambda: not group_commit._waiting[0].sleeps.locked())
    impatient.gives_up.set()
    impatient.join(FOR_LONG)
    log.let_go.set()
    last.join(FOR_LONG)
    assert impatient.has_given_up
    assert not last.is_alive()
    assert log.appends == [(b"a",), (b"c",)]
