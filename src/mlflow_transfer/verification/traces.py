"""Compares traces."""

from __future__ import annotations

from mlflow_transfer.fitting import fit_trace
from mlflow_transfer.links import Kind, Link
from mlflow_transfer.losses import trace_losses
from mlflow_transfer.matching import ExperimentPair
from mlflow_transfer.records import SOURCE_ID, Trace, without_own_tags
from mlflow_transfer.sources.rest_traces import SHOWN_OF_METADATA, SHOWN_OF_TAG
from mlflow_transfer.verification.artifacts import ArtifactComparer
from mlflow_transfer.verification.context import VerifyContext
from mlflow_transfer.verification.models import report_duplicates

_FIELDS = ("timestamp", "status")
# A server since MLflow 3.17 sets this itself (`start_trace` in mlflow/store/tracking/sqlalchemy_store.py).
_BY_SERVER = "mlflow.trace.infoFinalized"


class TraceComparer:
    """Compares the traces of experiments."""

    def __init__(self, context: VerifyContext, artifacts: ArtifactComparer) -> None:
        self._context, self._artifacts = context, artifacts

    async def compare(self, pair: ExperimentPair) -> None:
        """Compare the traces of an experiment."""
        context, report = self._context, self._context.report
        there: dict[str, Trace] = {}
        async for traces in context.right.traces(pair.target.id):
            for trace in traces:
                there.setdefault(trace.tags.get(SOURCE_ID, trace.id), trace)
                context.matches.add_trace(trace, same=SOURCE_ID not in trace.tags)
        report_duplicates(context, context.matches, "trace")
        async for traces in context.left.traces(pair.source.id):
            for trace in traces:
                report.compared["traces"] += 1
                other = there.get(trace.id) or there.get(trace.tags.get(SOURCE_ID, ""))
                if other is None:
                    report.add(f"trace {trace.id}", "trace missing", trace.id, None)
                    continue
                report.losses += trace_losses(trace)
                context.matches.links.put(Kind.TRACE, Link(trace.id, other.id))
                fitted, losses = fit_trace(trace, context.limits)
                report.losses += losses
                await self._compare_trace(fitted, other)

    async def _compare_trace(self, left: Trace, right: Trace) -> None:
        context, place = self._context, f"trace {left.id}"
        # A server's listing does not show the other fields: on the left they are then empty, and not compared.
        for what in (*_FIELDS, *left.own_fields):
            context.report.compare(place, f"trace {what}", getattr(left, what), getattr(right, what))
        # The API ends a trace at a time, so that it has no duration only while it is in progress.
        context.report.compare(place, "trace duration", left.duration or 0, right.duration or 0)
        tags = without_own_tags(left.tags)
        metadata = {key: context.mapped(key, value) for key, value in left.metadata.items() if key != _BY_SERVER}
        there = {key: value for key, value in right.metadata.items() if key != _BY_SERVER}
        if context.right.kind == "server":
            tags = {key: value[:SHOWN_OF_TAG] for key, value in tags.items()}
            metadata = {key: value[:SHOWN_OF_METADATA] for key, value in metadata.items()}
        context.compare_texts(place, "trace tag", tags, right.tags)
        context.compare_texts(place, "trace metadata", metadata, there)
        await self._artifacts.compare(place, left.artifact_uri, right.artifact_uri)
