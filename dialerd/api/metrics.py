"""`GET /metrics`: the daemon's figures in the form that Prometheus scrapes, as text or OpenMetrics by `Accept`.

Names follow Prometheus' rules: base units, `_total` for what only grows. Knows nothing of how figures come about.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, InfoMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString
from starlette.responses import Response

from dialerd import __version__
from dialerd.api.endpoint import Asked, Endpoint
from dialerd.model.histogram import Histogram
from dialerd.operations.metrics import Look

PREFIX: Final = "dialerd"

_PROCESS: Final = ProcessCollector(registry=None)


class LookCollector(Collector):
    """Gives the figures of one look.

    Args:
        look: the figures.
    """

    def __init__(self, look: Look) -> None:
        self._look = look

    def collect(self) -> Iterator[Metric]:
        """See `prometheus_client.registry.Collector`."""
        look = self._look
        calls = CounterMetricFamily(
            f"{PREFIX}_calls", "Calls that ended since the daemon started.", labels=("trunk", "outcome")
        )
        for (trunk, outcome), count in look.calls.items():
            calls.add_metric((trunk, outcome), count)
        yield calls
        yield CounterMetricFamily(
            f"{PREFIX}_calls_refunded",
            "Ended calls that did not count for their recipient, because nothing rang.",
            value=look.refunded,
        )
        yield _gauge("campaigns", "Campaigns that are not over.", "state", look.campaigns)
        yield _gauge("recipients_pending", "Recipients who wait to be called.", "campaign_state", look.pending)
        trunks = look.trunks
        yield _gauge("lines_in_use", "Calls in progress.", "trunk", {name: one.used for name, one in trunks.items()})
        yield _gauge(
            "lines_limit", "Most calls in progress at once.", "trunk", {name: one.most for name, one in trunks.items()}
        )
        yield _gauge(
            "trunk_up", "Whether the trunk's provider is there.", "trunk", {n: t.up for n, t in trunks.items()}
        )
        yield _gauge(
            "trunk_resting",
            "Whether the trunk is spared after faults, and only tried now and then.",
            "trunk",
            {name: one.resting for name, one in trunks.items()},
        )
        yield _histogram(
            "dispatch_delay_seconds",
            "From the instant at which somebody could have been rung to that at which the call left.",
            look.delays,
        )
        yield _histogram("store_commit_seconds", "How long transactions of the database took.", look.commits)
        yield _gauge("notices_unread", "Notices that a plugin has not been told yet.", "reader", look.unread)
        yield GaugeMetricFamily(f"{PREFIX}_event_followers", "Clients that follow events.", value=look.followers)
        callbacks = CounterMetricFamily(
            f"{PREFIX}_callbacks",
            "Requests of carriers to a trunk since the daemon started, by status of the answer.",
            labels=("trunk", "status"),
        )
        for (trunk, status), count in look.callbacks.items():
            callbacks.add_metric((trunk, str(status)), count)
        yield callbacks
        yield InfoMetricFamily(f"{PREFIX}_build", "What runs here.", value={"version": __version__})


async def _metrics(asked: Asked) -> Response:
    registry = CollectorRegistry()
    registry.register(LookCollector(await asked.operations.metrics.look()))
    registry.register(_PROCESS)
    encode, media = choose_encoder(asked.request.headers.get("accept", ""))
    return Response(encode(registry), headers={"Content-Type": media})


METRICS = Endpoint(
    method="GET",
    path="/metrics",
    name="metrics",
    summary="The daemon's figures, as Prometheus scrapes them",
    handle=_metrics,
    media="text/plain",
)


def _gauge(name: str, words: str, label: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"{PREFIX}_{name}", words, labels=(label,))
    for value, figure in values.items():
        family.add_metric((value,), figure)
    return family


def _histogram(name: str, words: str, histogram: Histogram) -> HistogramMetricFamily:
    counts, below = list(histogram.counts), 0
    buckets = []
    for bound, count in zip((*histogram.bounds, float("inf")), counts, strict=True):
        below += count
        buckets.append((floatToGoString(bound), below))  # type: ignore[no-untyped-call]  # it has no types
    return HistogramMetricFamily(f"{PREFIX}_{name}", words, buckets=buckets, sum_value=histogram.total)
