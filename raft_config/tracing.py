"""OpenTelemetry spans of a write across nodes; nothing happens without `opentelemetry-api`.

    raft_config.write                  the node where it came in
      raft_config.propose              on the way to the leader, and there
        raft_config.raft               its entry on the way to each follower, and there

Where a trace goes on is told by a `traceparent` header. It is not signed, and nothing rests on it:
it is read once the signature has proved who sent the message, and names spans, no more. What a node
does for no write (heartbeats, elections, questions of operators) makes no span; and of writes that
travel together, the first that could leave at once is the one whose trace shows the way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib.util import find_spec
from typing import Any, Final, ParamSpec

Arguments = ParamSpec("Arguments")

IS_AVAILABLE: Final = find_spec("opentelemetry") is not None

if IS_AVAILABLE:
    from opentelemetry import context, trace
    from opentelemetry.trace import SpanKind, Status, StatusCode
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    # Not the project's own propagator: its baggage is not for other nodes.
    _propagator = TraceContextTextMapPropagator()
    _tracer = trace.get_tracer("raft_config")


def writing(node_id: str) -> AbstractContextManager[object]:
    """A write that comes in here: a span of the site's trace, or the first one of its own."""
    if not IS_AVAILABLE:
        return nullcontext()
    return _span("raft_config.write", SpanKind.INTERNAL, {"raft_config.node": node_id})


def asking(name: str, peer: str) -> AbstractContextManager[object]:
    """A message to a peer, if it is part of a trace."""
    if not (IS_AVAILABLE and _is_traced()):
        return nullcontext()
    return _span(f"raft_config.{name}", SpanKind.CLIENT, {"raft_config.peer": peer})


def headers() -> dict[str, str]:
    """What tells a peer to go on with this trace."""
    found: dict[str, str] = {}
    if IS_AVAILABLE and _is_traced():
        _propagator.inject(found)
    return found


def answering(
    name: str, node_id: str, received: Mapping[str, str]
) -> AbstractContextManager[object]:
    """A message of a peer, if it says that it is part of a trace."""
    if not IS_AVAILABLE or "traceparent" not in received:
        return nullcontext()
    carrier = {each: received.get(each, "") for each in ("traceparent", "tracestate")}
    parent = _propagator.extract(carrier)
    return _span(f"raft_config.{name}", SpanKind.SERVER, {"raft_config.node": node_id}, parent)


def carried(function: Callable[Arguments, None]) -> Callable[Arguments, None]:
    """The function, to be called by another thread as part of what is traced here."""
    if not (IS_AVAILABLE and _is_traced()):
        return function
    found = context.get_current()

    def call(*args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
        token = context.attach(found)
        try:
            function(*args, **kwargs)
        finally:
            context.detach(token)

    return call


def _is_traced() -> bool:
    return trace.get_current_span().get_span_context().is_valid


@contextmanager
def _span(name: str, kind: Any, facts: Mapping[str, str], parent: Any = None) -> Iterator[None]:
    """A span that tells by its error's class alone how it failed: a message may repeat a value."""
    with _tracer.start_as_current_span(
        name,
        context=parent,
        kind=kind,
        attributes=facts,
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        try:
            yield
        except Exception as error:
            span.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise
