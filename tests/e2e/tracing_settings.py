"""The same, with OpenTelemetry set up as a project does it: the spans go to a file of the node."""

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

from demo_site.settings import DATA_DIR

from .settings import *  # noqa: F403

SPANS = "spans.jsonl"

_exporter = ConsoleSpanExporter(
    out=(DATA_DIR / SPANS).open("a"), formatter=lambda span: f"{span.to_json(indent=None)}\n"
)
_provider = TracerProvider()
_provider.add_span_processor(SimpleSpanProcessor(_exporter))
trace.set_tracer_provider(_provider)
