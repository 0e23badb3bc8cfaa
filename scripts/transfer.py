"""Copy, back up, restore and verify the contents of MLflow tracking servers."""

from __future__ import annotations

import os

from mlflow_common.console import run
from mlflow_transfer.cli import app
from mlflow_transfer.session import NamedServer


class Environments:
    """The environments of this repository."""

    def server(self, name: str, *, local: bool) -> NamedServer:
        """The ARN of the environment's active tracking server, and the environment's artifact stores."""
        from mlflow_platform import outputs

        found = outputs.load(name, local=local, environ=os.environ)
        return NamedServer(found.server.arn, found.artifact_stores)

    def use_localaws(self) -> None:
        """Point this process's AWS clients at localaws."""
        from mlflow_platform.localaws_client import localaws_home, use_localaws

        use_localaws(localaws_home(os.environ), os.environ)


if __name__ == "__main__":
    run(app, Environments())
