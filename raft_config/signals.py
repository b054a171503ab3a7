"""What the project may listen to.

All are sent after COMMIT, with `send_robust`: an exception in a receiver is logged, and neither
undoes what happened nor keeps the other receivers from hearing of it. `sender` is the class that
sent it; choose by the arguments instead. Take `**kwargs`: later releases may add arguments.

    @receiver(config_changed)
    def rebuild(sender: object, *, name: str, new_value: object, **kwargs: object) -> None:
        if name == "THEME": ...

A receiver runs in whatever process and thread found the news, and that one waits for it: hand long
work to a task.
"""

from __future__ import annotations

from typing import Final

from django.dispatch import Signal

config_changed: Final = Signal()
"""A setting has another value, here, now. Sent once per setting, in every process of every node.

name        str: the setting
old_value   the Python value that this process read so far; the default if it was not set
new_value   the Python value that it reads from now on; the default if it was reset
index       int: the entry that changed it
user        str: who changed it; "" if that was not told
comment     str: why
origin      str: from where: "admin", "api", "cli", "python", "import", "schedule" or "expiry"

The process that wrote sends it before the write returns, every other one within about 0.1 s, from a
thread of its own. A process sees the difference between two versions: of several quick changes it
may be told the last only, and a process that starts later hears nothing of the changes before.
"""

role_changed: Final = Signal()
"""This node has another role. Sent once per node, by the process in which it happened.

role        str: "follower", "pre_candidate", "candidate" or "leader"
term        int: the term in which it has that role
"""

leader_changed: Final = Signal()
"""This node sees another leader, or none. Sent once per node, by the process that learned of it.

leader_id   str or None: this node's own id if it leads, None while an election is under way
term        int: the term that is led
"""

membership_changed: Final = Signal()
"""Another configuration counts here from now on. Sent once per node, like role_changed.

It may not be committed yet (thesis §4.1), and a new leader may put the one before it back, which
is announced like any other change.

configuration  core.configuration.Configuration: members (voters and learners), and its index
"""
