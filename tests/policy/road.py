"""What the road asks of AWS: its calls, taken from localaws's call log and written down in `road.json`.

`{bucket}`, `{server}`, … stand for what differs between environments, `{id}` for what differs between runs.
"""

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.deployed import Deployed
from tests.policy.judging import Ask
from tests.policy.scenarios import ACCOUNT, REGION
from tests.running import LocalAws

RECORDING = Path(__file__).parent / "road.json"
MODEL = "road"
# A person's commands, each recorded by itself: not everybody may do all of it.
STEPS: dict[str, tuple[str, ...]] = {
    "log_run": ("log_run", "--register", MODEL, "--alias", "champion", "--experiment", MODEL),
    "deploy_model": ("deploy_model", f"models:/{MODEL}@champion"),
    "validate_endpoint": ("validate_endpoint", f"models:/{MODEL}@champion", "--threshold", "0.5"),
    "server ui": ("server", "ui"),
    "deploy_model --delete": ("deploy_model", f"models:/{MODEL}@champion", "--delete"),
}
# What a policy may look at, beside what every call has.
KEPT = ("iam:PassedToService", "s3:prefix", "s3:x-amz-server-side-encryption", "kms:ViaService")
EVERYTHING = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'

Recording = dict[str, set[tuple[str, str, tuple[tuple[str, str], ...]]]]


def walk(staging: Deployed, localaws: LocalAws, folder: Path) -> Recording:
    """Walks the road as a user of its own, so that its calls can be told from everybody else's."""
    walker = _walker(staging, localaws, folder)
    found: Recording = {}
    for step, command in STEPS.items():
        before = len(localaws.calls())
        more = ("--output", str(folder / "report")) if step == "validate_endpoint" else ()
        walker.script(*command, *more)
        mine = [call for call in localaws.calls()[before:] if call["principal"].endswith(":user/walker")]
        found[step] = _asked(staging, mine)
    for who, output in (("server", "mlflow_role_arn"), ("endpoint", "endpoint_execution_role_arn")):
        role = staging.outputs[output]
        session = f":assumed-role/{role.rsplit('/', 1)[-1]}/SageMaker"
        found[who] = _asked(staging, [call for call in localaws.calls() if session in call["principal"]])
        # Nobody but SageMaker can have begun that session, and the trust policy let it.
        trusted = (
            "sts:AssumeRole",
            f"arn:aws:iam::{{account}}:role/{{{who}_role}}",
            (("aws:SourceAccount", "{account}"),),
        )
        found.setdefault("sagemaker", set()).add(trusted)
    return found


def recorded() -> Recording:
    """The recording."""
    return {
        who: {(ask["action"], ask["resource"], tuple(sorted(ask.get("context", {}).items()))) for ask in asks}
        for who, asks in json.loads(RECORDING.read_text()).items()
    }


def record(found: Recording) -> None:
    """Writes the recording anew."""
    content = {
        who: [
            {"action": action, "resource": resource} | ({"context": dict(context)} if context else {})
            for action, resource, context in sorted(asks)
        ]
        for who, asks in found.items()
    }
    RECORDING.write_text(json.dumps(content, indent=1) + "\n")


def asks(recording: Recording, who: Iterable[str]) -> list[Ask]:
    """The recorded asks of some steps or roles."""
    return [Ask(action, resource, dict(context)) for one in who for action, resource, context in sorted(recording[one])]


def _asked(staging: Deployed, calls: list[dict[str, Any]]) -> set[tuple[str, str, tuple[tuple[str, str], ...]]]:
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
    """A text without what is this environment's, or this run's, alone."""
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
    # The smoke tests walk the same road, perhaps at the same time, with a model of another name.
    text = re.sub(r"\bsmoke-[0-9a-f]{8}\b", MODEL, text)
    text = re.sub(r"\bm-[0-9a-f]{8,32}\b", "m-{id}", text)
    text = re.sub(r"\b(?=[0-9a-f]*\d)[0-9a-f]{6,}\b", "{id}", text)
    text = re.sub(r"^(arn:aws:s3:::\{bucket\}/)?\d+/", r"\1{id}/", text)
    return re.sub(r"/artifacts/.+", "/artifacts/file", text)


def _walker(staging: Deployed, localaws: LocalAws, folder: Path) -> Deployed:
    iam = localaws.client("iam")
    iam.create_user(UserName="walker")
    iam.put_user_policy(UserName="walker", PolicyName="everything", PolicyDocument=EVERYTHING)
    key = iam.create_access_key(UserName="walker")["AccessKey"]
    # The scripts take their keys from where localaws writes them: this home is the same one, with other keys.
    home = folder / "walker"
    home.mkdir()
    (home / "terraform").symlink_to(localaws.settings.terraform)
    env = {
        **localaws.env,
        "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
        "LOCALAWS_HOME": str(home),
    }
    (home / "env").write_text("".join(f"{name}={value}\n" for name, value in env.items()))
    walker = Deployed(staging.name, local=True, environ=localaws.environ(**env))
    walker.__dict__["outputs"] = staging.outputs
    return walker
