"""What lies between the nodes: for each a proxy on loopback, which knows who asks and does evil.

Every node tells the others the address of its proxy, so whatever is sent to it, by its own ping
too, comes through here. The sender stands in a header that is signed, so one listener per node
decides for each directed pair apart. Network namespaces would need root and a firewall, and could
not lose a reply after the work was done, truncate one, or answer in a node's place. What a proxy
cannot do is refuse the TCP connection to one sender alone: a cut link accepts and stays silent.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

HOST = "127.0.0.1"
SILENCE_SECONDS = 60.0
DELAY_SECONDS = (0.01, 0.4)
LATE_SECONDS = (1.0, 3.0)
"""Later than a node waits for an answer."""

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Message:
    """A request or a response of HTTP/1.1."""

    head: bytes
    body: bytes

    def header(self, name: bytes) -> str:
        """Its value, "" if it is not there."""
        for line in self.head.split(b"\r\n")[1:]:
            found, _, value = line.partition(b":")
            if found.strip().lower() == name:
                return value.strip().decode("latin-1")
        return ""

    @property
    def whole(self) -> bytes:
        return self.head + self.body


class BrokenOffError(Exception):
    """One side has closed the connection."""


async def read_message(reader: asyncio.StreamReader) -> Message:
    """The next one. Raises BrokenOffError."""
    try:
        message = Message(await reader.readuntil(b"\r\n\r\n"), b"")
        length = message.header(b"content-length")
        return Message(message.head, await reader.readexactly(int(length or 0)))
    except (asyncio.IncompleteReadError, OSError) as error:
        raise BrokenOffError from error


class Exchange:
    """One request on its way to a node, and the reply on its way back."""

    def __init__(self, request: Message, writer: asyncio.StreamWriter, port: int) -> None:
        self.request = request
        self.writer = writer
        self.port = port

    async def ask(self, data: bytes | None = None) -> Message:
        """The node's reply, on a connection of its own. Raises BrokenOffError."""
        try:
            reader, writer = await asyncio.open_connection(HOST, self.port)
        except OSError as error:
            raise BrokenOffError from error
        try:
            writer.write(self.request.whole if data is None else data)
            if data is not None:
                writer.write_eof()
            return await read_message(reader)
        finally:
            writer.close()

    async def answer(self, data: bytes) -> None:
        """Give these bytes to whoever asked."""
        try:
            self.writer.write(data)
            await self.writer.drain()
        except OSError as error:
            raise BrokenOffError from error

    def reset(self) -> None:
        """End the connection as a crashed machine does: by RST."""
        found: socket.socket = self.writer.get_extra_info("socket")
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise BrokenOffError


async def pass_on(exchange: Exchange) -> None:
    await exchange.answer((await exchange.ask()).whole)


async def drop(_: Exchange) -> None:
    await asyncio.sleep(SILENCE_SECONDS)


async def drop_reply(exchange: Exchange) -> None:
    await exchange.ask()
    await asyncio.sleep(SILENCE_SECONDS)


async def reset(exchange: Exchange) -> None:
    exchange.reset()


async def reset_reply(exchange: Exchange) -> None:
    await exchange.ask()
    exchange.reset()


async def delay(exchange: Exchange) -> None:
    """Later requests overtake this one: a node sends on several connections at once."""
    await asyncio.sleep(random.uniform(*DELAY_SECONDS))
    await pass_on(exchange)


async def answer_late(exchange: Exchange) -> None:
    reply = await exchange.ask()
    await asyncio.sleep(random.uniform(*LATE_SECONDS))
    await exchange.answer(reply.whole)


async def duplicate(exchange: Exchange) -> None:
    """The second one is a replay, byte by byte; the sender gets the answer to the first."""
    first = await exchange.ask()
    await exchange.ask()
    await exchange.answer(first.whole)


async def truncate(exchange: Exchange) -> None:
    reply = (await exchange.ask()).whole
    await exchange.answer(reply[: random.randrange(1, len(reply))])
    raise BrokenOffError


async def truncate_request(exchange: Exchange) -> None:
    whole = exchange.request.whole
    with suppress(BrokenOffError):
        await exchange.ask(whole[: random.randrange(1, len(whole))])
    raise BrokenOffError


async def fail(exchange: Exchange) -> None:
    """As a proxy whose upstream is away."""
    await exchange.answer(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy")


async def fail_reply(exchange: Exchange) -> None:
    """As a proxy that gave up waiting, when all was done."""
    await exchange.ask()
    await exchange.answer(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 3\r\n\r\nbad")


EVILS: Mapping[str, Callable[[Exchange], Coroutine[Any, Any, None]]] = {
    "drop": drop,
    "drop reply": drop_reply,
    "reset": reset,
    "reset reply": reset_reply,
    "delay": delay,
    "answer late": answer_late,
    "duplicate": duplicate,
    "truncate": truncate,
    "truncate request": truncate_request,
    "5xx": fail,
    "5xx reply": fail_reply,
}

Rule = Mapping[str, float]
"""How likely each evil is for a request; the rest is passed on."""


class Links:
    """All proxies, on a thread of their own, and what they do to whom."""

    def __init__(self) -> None:
        self.ports: dict[str, int] = {}
        self.done: Counter[str] = Counter()
        """How often each evil was done, and what was passed on: the proof of a fault."""
        self.captured: list[tuple[str, bytes]] = []
        """To whom each request went, byte by byte, while `captures` says so."""
        self.captures = False
        self._rules: dict[Pair, Rule] = {}
        self._servers: list[asyncio.Server] = []
        self._serving: set[asyncio.Task[None] | None] = set()
        """Held here, because the loop itself holds no task that waits."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="links")
        self._thread.start()

    def add(self, node_id: str, port: int) -> int:
        """Open a proxy in front of that node's port; its own port."""
        return self._call(self._listen(node_id, port))

    def close(self) -> None:
        """End all of it."""
        self._call(self._cancel_all())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @contextmanager
    def ruled(self, pairs: Iterable[Pair], rule: Rule) -> Iterator[Callable[[], int]]:
        """Put this rule on these links; yields how many requests suffered so far."""
        rules = dict.fromkeys(pairs, rule)
        before = self._suffered()
        self._rules = {**self._rules, **rules}
        try:
            yield lambda: self._suffered() - before
        finally:
            self._rules = {pair: each for pair, each in self._rules.items() if pair not in rules}

    def _suffered(self) -> int:
        return sum(self.done[evil] for evil in EVILS)

    def _call(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _listen(self, node_id: str, port: int) -> int:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            self._serving.add(task)
            with suppress(BrokenOffError, asyncio.CancelledError):
                await self._serve(node_id, port, reader, writer)
            writer.close()
            self._serving.discard(task)

        server = await asyncio.start_server(serve, HOST, self.ports.get(node_id, 0), backlog=256)
        self._servers.append(server)
        self.ports[node_id] = server.sockets[0].getsockname()[1]
        return self.ports[node_id]

    async def _serve(
        self,
        node_id: str,
        port: int,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        while True:
            request = await read_message(reader)
            if self.captures:
                self.captured.append((node_id, request.whole))
            evil = self._choose((request.header(b"raft-sender"), node_id))
            self.done[evil or "passed on"] += 1
            await EVILS.get(evil, pass_on)(Exchange(request, writer, port))

    def _choose(self, pair: Pair) -> str:
        """The evil to do, "" for none."""
        left = random.random()
        for evil, share in self._rules.get(pair, {}).items():
            left -= share
            if left < 0:
                return evil
        return ""

    async def _cancel_all(self) -> None:
        for server in self._servers:
            server.close()
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
