"""A complete node without Django: the double of each seam, in memory.

For tests, for the simulator, and for whoever studies or embeds the core; docs/embedding.md shows
it at work. Storage loses what was not made durable when it crashes, as a machine does when its
power is cut; the network's time moves only when it is run.
"""

from .network import MemoryNetwork
from .node import Listener, MembersProvider, MemoryNode, Network, Ticket
from .storage import MemoryLog, MemoryStateMachine, MemoryStorage, StateMachine

__all__ = [
    "Listener",
    "MembersProvider",
    "MemoryLog",
    "MemoryNetwork",
    "MemoryNode",
    "MemoryStateMachine",
    "MemoryStorage",
    "Network",
    "StateMachine",
    "Ticket",
]
