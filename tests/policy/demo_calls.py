"""The AWS calls of the demo, taken from localaws's call log and recorded in `demo_calls.json`.

`{bucket}`, `{server}`, … are placeholders for values that differ between environments, and `{id}` for values that
differ between runs.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow_platform.environment import REPOSITORY
from mlflow_platform.roles import Role, make_role
from tests.policy.judging import Ask
from tests.policy.scenarios import ACCOUNT, REGION
from tests.policy.tour import Caller, read, take_away, write
from tests.support import provider
from tests.support.building import build
from tests.support.deployed import Deployed
from tests.support.mirrored import quick_mirror
from tests.support.running import RunningLocalAws, free_port, settings_of

RECORDING = Path(__file__).parent / "demo_calls.json"
# The steps of the demo, by script. Each runs in a separate session with the name of the script.
DEMO = ("log_run", "deploy_model", "validate_endpoint")
# Further steps, each with the level of its role.
BESIDE = {
    "server ui": "reader",
    "mlflow writes": "writer",
    "mlflow reads": "reader",
    "mlflow deletes": "admin",
    "deploy_model --delete": "writer",
    "backup": "backup",
}
BACKUP = "mlflow-staging-mlflow-backup"
# The condition keys that policies use in addition to those of every call.
KEPT = ("iam:PassedToService", "s3:prefix", "s3:x-amz-server-side-encryption", "kms:ViaService")
MONITOR = "mlflow-staging-monitor"
MONITOR_IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/mlflow-staging-serving:monitor"
# The demo uses neither the schedule of the server nor notifications.
INPUTS: dict[str, Any] = {
    "schedule": None,
    "notifications": None,
    "backup": {"keep": 2},
    # localaws runs the job in an environment of this machine, but the image must exist.
    "monitoring": {"image_uri": MONITOR_IMAGE, "arguments": ["--min-rows=10"]},
}

Recording = dict[str, set[tuple[str, str, tuple[tuple[str, str], ...]]]]


@dataclass(frozen=True)
class Walked:
    """Staging on a localaws that enforces policies, after the demo was run there as a writer.

    Attributes:
        demo: the result of the demo's process.
        calls: the call log at the end of the demo.
    """

    localaws: RunningLocalAws
    staging: Deployed
    demo: "subprocess.CompletedProcess[str]"
    calls: list[dict[str, Any]]

    def role(self, level: str) -> Role:
        """A role with a client's policy, or with a copy of the backup role's policy (which only CodeBuild assumes)."""
        iam = self.localaws.client("iam")
        if level == "backup":
            policies = [_same_policy(iam, f"{BACKUP}-role", "MLflowBackup")]
        else:
            policies = self.staging.outputs["client_policy_arns"][level]
        return make_role(iam, self.localaws.client("sts"), f"demo-staging-{level}", policies)

    def taking(self, level: str, session: str) -> Deployed:
        """Staging, as used by a session of that role."""
        keys = self.role(level).session(session)
        taken = Deployed("staging", local=True, environ={**self.staging.environ, **keys})
        taken.__dict__["outputs"] = self.staging.outputs
        return taken


def walk(folder: Path) -> Walked:
    """Run the demo, which starts its own localaws. The caller has to stop it."""
    settings = settings_of(folder / "home", free_port())
    quick_mirror(settings, "staging", **INPUTS)
    here = {"LOCALAWS_HOME": str(settings.home), "LOCALAWS_PORT": str(settings.port)}
    demo = subprocess.run(
        [sys.executable, "scripts/demo.py", "--as", "writer"],
        cwd=REPOSITORY,
        env={**os.environ, "TF_CLI_CONFIG_FILE": provider.config(), **here},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    localaws = RunningLocalAws(settings)
    return Walked(localaws, Deployed("staging", local=True, environ=localaws.environ(**here)), demo, localaws.calls())


def walk_beside(walked: Walked) -> None:
    """Run the steps that are not part of the demo."""
    by = {step: walked.taking(level, _session(step)) for step, level in BESIDE.items()}
    by["server ui"].script("server", "ui")
    made = write(Caller(by["mlflow writes"]))
    read(Caller(by["mlflow reads"]), made)
    take_away(Caller(by["mlflow deletes"]), made)
    by["deploy_model --delete"].script("deploy_model", "models:/iris@champion", "--delete")
    for _ in range(2):  # The second backup deletes the first one.
        done = build(walked.localaws, BACKUP, REPOSITORY, by["backup"].environ, {"KEEP": "1"})
        assert done.returncode == 0, done.stderr


def _same_policy(iam: Any, role: str, name: str) -> str:
    """The ARN of a managed policy with the content of a role's inline policy. It is created once."""
    document = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
    arn = f"arn:aws:iam::{ACCOUNT}:policy/{role}"
    with suppress(iam.exceptions.EntityAlreadyExistsException):
        iam.create_policy(PolicyName=role, PolicyDocument=json.dumps(document))
    return arn


def required_permissions(walked: Walked) -> Recording:
    """The permissions that each step, and each role that a service assumed, has needed."""
    calls = walked.localaws.calls()

    def of(role: str, session: str = "") -> list[dict[str, Any]]:
        pattern = re.compile(f".*:assumed-role/{role}/{session or 'SageMaker.*'}")
        return [call for call in calls if pattern.fullmatch(call["principal"])]

    found = {step: _permissions(walked.staging, of("demo-staging-writer", step)) for step in DEMO}
    for step, level in BESIDE.items():
        found[step] = _permissions(walked.staging, of(f"demo-staging-{level}", _session(step)))
    for who, output in (("server", "mlflow_role_arn"), ("endpoint", "endpoint_execution_role_arn")):
        name = walked.staging.outputs[output].rsplit("/", 1)[-1]
        found[who] = _permissions(walked.staging, of(name))
        # Only SageMaker can have started that session, and the trust policy allowed it.
        trusted = (
            "sts:AssumeRole",
            f"arn:aws:iam::{{account}}:role/{{{who}_role}}",
            (("aws:SourceAccount", "{account}"), ("aws:SourceArn", "arn:aws:sagemaker:{region}:{account}:*")),
        )
        found.setdefault("sagemaker", set()).add(trusted)
    return found


def _session(step: str) -> str:
    return re.sub(r"[^\w-]", "-", step)


def recorded() -> Recording:
    """The recording."""
    return {
        who: {(ask["action"], ask["resource"], tuple(sorted(ask.get("context", {}).items()))) for ask in asks}
        for who, asks in json.loads(RECORDING.read_text()).items()
    }


def record(found: Recording) -> None:
    """Overwrite the recording."""
    content = {
        who: [
            {"action": action, "resource": resource} | ({"context": dict(context)} if context else {})
            for action, resource, context in sorted(asks)
        ]
        for who, asks in found.items()
    }
    RECORDING.write_text(json.dumps(content, indent=1) + "\n")


def asks(recording: Recording, who: Iterable[str]) -> list[Ask]:
    """The recorded requests of some steps or roles."""
    return [Ask(action, resource, dict(context)) for one in who for action, resource, context in sorted(recording[one])]


def _permissions(staging: Deployed, calls: list[dict[str, Any]]) -> set[tuple[str, str, tuple[tuple[str, str], ...]]]:
    return {
        (
            need["action"],
            _general(staging, need["resource"]),
            tuple(
                (key, _general(staging, value))
                for key, value in sorted(need["context"].items())
                if key in KEPT and isinstance(value, str)
            ),
        )
        for call in calls
        for need in call["iam"]
    }


def _general(staging: Deployed, text: str) -> str:
    """A text in which values of this environment or run are replaced by placeholders."""
    outputs: Mapping[str, str] = staging.outputs
    placed = {
        outputs["artifact_bucket_name"]: "{bucket}",
        outputs["tracking_server_name"]: "{server}",
        outputs["mlflow_role_name"]: "{server_role}",
        outputs["endpoint_execution_role_arn"].rsplit("/", 1)[-1]: "{endpoint_role}",
        outputs["mlflow_role_name"].removesuffix("-mlflow-role"): "{name}",
        ACCOUNT: "{account}",
        REGION: "{region}",
    }
    for value, name in placed.items():
        text = text.replace(value, name)
    text = re.sub(r"\bm-[0-9a-f]{8,32}\b", "m-{id}", text)
    text = re.sub(r"\b(?=[0-9a-f]*\d)[0-9a-f]{6,}\b", "{id}", text)
    text = re.sub(r"^(arn:aws:s3:::\{bucket\}/)?\d+/", r"\1{id}/", text)
    text = re.sub(r"(\bbackups/\{server\}/).+", r"\1file", text)
    return re.sub(r"/artifacts/.+", "/artifacts/file", text)
