"""The second policy engine: @cloud-copilot/iam-simulate. Installed on first use; runs in a separate process."""

import json
import subprocess
from pathlib import Path
from typing import Any

from localaws.iam.evaluate import Policies
from localaws.iam.policy import Policy
from localaws.iam.request import Request
from tests.support.npm import install

HERE = Path(__file__).parent
FILES = ("package.json", "package-lock.json", ".npmrc", "simulate.mjs")
# The engine expects policies of an organization. This one allows everything.
EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}

Documents = dict[str, Any]


class Simulator:
    """Runs many simulations in one call."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @classmethod
    def installed(cls) -> "Simulator":
        """Install it below `.cache/`, once for each version of its lock file.

        Raises:
            UnavailableError: no node or npm, or the package cannot be fetched.
        """
        return cls(install("policy-simulator", HERE, FILES))

    def run(self, simulations: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """`{"result": "Allowed" | "ImplicitlyDenied" | "ExplicitlyDenied"}` or `{"error": …}` for each."""
        done = subprocess.run(
            ["node", "simulate.mjs"],
            cwd=self._folder,
            input=json.dumps(simulations),
            capture_output=True,
            text=True,
            timeout=300,
            check=True,
        )
        found: list[dict[str, Any]] = json.loads(done.stdout)
        return found


class Question:
    """One request for both engines."""

    def __init__(
        self,
        request: Request,
        *,
        identity: Documents,
        resource: Any = None,
        boundary: Any = None,
        resource_decides: bool = False,
    ) -> None:
        self.request = request
        self._identity = identity
        self._resource = resource
        self._boundary = boundary
        self._resource_decides = resource_decides

    @property
    def policies(self) -> Policies:
        """The policies for the evaluator."""
        return Policies(
            identity=tuple(Policy.parse(name, document) for name, document in self._identity.items()),
            boundary=Policy.parse("boundary", self._boundary) if self._boundary else None,
            resource=Policy.parse("resource", self._resource) if self._resource else None,
            resource_decides=self._resource_decides,
        )

    @property
    def simulation(self) -> dict[str, Any]:
        """The simulation for the second engine."""
        request = self.request
        simulation_input: dict[str, Any] = {
            "request": {
                "principal": request.principal.arn,
                "action": request.action,
                "resource": {"resource": request.resource, "accountId": request.account},
                "contextVariables": dict(request.context),
            },
            "identityPolicies": [{"name": name, "policy": document} for name, document in self._identity.items()],
            "serviceControlPolicies": [
                {"orgIdentifier": "root", "policies": [{"name": "everything", "policy": EVERYTHING}]}
            ],
            "resourceControlPolicies": [],
        }
        if self._resource:
            simulation_input["resourcePolicy"] = self._resource
        if self._boundary:
            simulation_input["permissionBoundaryPolicies"] = [{"name": "boundary", "policy": self._boundary}]
        return simulation_input
