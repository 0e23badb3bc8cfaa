"""A tracking server to write to."""

from __future__ import annotations

from mlflow_transfer.client import ApiError, RefusedError, UnansweredError
from mlflow_transfer.records import SOURCE_ID
from mlflow_transfer.sources.rest import RestSource
from mlflow_transfer.writers.base import Certainty
from mlflow_transfer.writers.experiments import ExperimentWriter
from mlflow_transfer.writers.models import ModelWriter
from mlflow_transfer.writers.registry import RegistryWriter
from mlflow_transfer.writers.runs import RunWriter
from mlflow_transfer.writers.traces import TraceWriter

_NO_RUN = "0" * 32


class Destination:
    """A server with a writer for each kind of object. `reader` reads the same server."""

    def __init__(self, reader: RestSource) -> None:
        self.reader = reader
        self.client = reader.client
        self._certainty = Certainty()
        self.experiments = ExperimentWriter(reader, self._certainty)
        self.models = ModelWriter(reader, self._certainty)
        self.runs = RunWriter(reader, self._certainty, self.models)
        self.registry = RegistryWriter(reader, self._certainty)
        self.traces = TraceWriter(reader, self._certainty)

    async def answers(self) -> bool:
        """Whether the server executes any writing call. It has to refuse this one, because there is no such run."""
        try:
            await self.client.post("runs/delete-tag", {"run_id": _NO_RUN, "key": SOURCE_ID})
        except (ApiError, RefusedError):
            return True
        except UnansweredError:
            return False
        return False

    @property
    def unsure(self) -> bool:
        """Whether a create whose response was lost may have been executed after the search for its result."""
        return self._certainty.unsure
