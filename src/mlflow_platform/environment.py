"""An environment: what Terraform's outputs say of it, and which AWS account it lives in.

The outputs are read from Terraform's state or, where this process has no access to it, from SSM Parameter Store.

Everything the scripts know of staging or prod comes from here; nothing is configured twice.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import URLError
from urllib.request import urlopen

from mlflow_common.errors import InputError, PreconditionError, error_code, explain
from mlflow_platform import parameters

if TYPE_CHECKING:
    from mypy_boto3_sts import STSClient

REPOSITORY = Path(__file__).resolve().parents[2]
_ROOTS = Path("mlflow", "terraform")
_NEEDED = (
    "artifact_bucket_name",
    "artifact_store_uri",
    "endpoint_execution_role_arn",
    "mlflow_tracking_uri",
    "mlflow_version",
    "tracking_server_name",
)
STATE = "Terraform's state"
_NO_SESSION = {"ExpiredToken", "InvalidClientTokenId", "UnrecognizedClientException"}
SESSION = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")

Terraform = Callable[[Sequence[str]], "subprocess.CompletedProcess[str]"]


@dataclass(frozen=True)
class Environment:
    """A deployed environment. `tracking_uri` is the server's ARN: what MLflow clients are given.

    `source` says where all this was read. `backup_archive` is published only where there is a nightly backup.
    """

    name: str
    local: bool
    project: str
    account: str
    region: str
    tracking_uri: str
    server_name: str
    mlflow_version: str
    artifact_store: str
    bucket: str
    endpoint_role: str
    source: str = STATE
    backup_archive: str | None = None

    @classmethod
    def from_outputs(
        cls, name: str, outputs: Mapping[str, Any], *, local: bool = False, source: str = STATE
    ) -> Environment:
        """Read an environment from the values of Terraform's outputs.

        Raises:
            PreconditionError: when outputs are missing, as after an apply that failed half-way.
        """
        missing = [output for output in _NEEDED if not outputs.get(output)]
        if missing:
            raise PreconditionError(
                f"{name} is deployed only in part (no {', '.join(missing)}): run `{_apply(name, local)}`"
            )
        arn = str(outputs["mlflow_tracking_uri"])
        region, account = arn.split(":")[3:5]
        version = str(outputs["mlflow_version"])
        server = str(outputs["tracking_server_name"])
        # The server is named {project}-{environment}-{version}: one server per MLflow version.
        stem = server.removesuffix("-" + version.replace(".", "-"))
        return cls(
            name=name,
            local=local,
            project=stem.removesuffix(f"-{name}"),
            account=account,
            region=region,
            tracking_uri=arn,
            server_name=server,
            mlflow_version=version,
            artifact_store=str(outputs["artifact_store_uri"]).rstrip("/"),
            bucket=str(outputs["artifact_bucket_name"]),
            endpoint_role=str(outputs["endpoint_execution_role_arn"]),
            source=source,
            backup_archive=outputs.get("backup_archive_uri"),
        )

    @property
    def tags(self) -> dict[str, str]:
        """The tags that everything made for this environment carries."""
        return {"project": self.project, "environment": self.name}

    @property
    def options(self) -> str:
        """What a command line needs to mean this environment, for messages that quote one."""
        return f"--env {self.name}" + (" --local" if self.local else "")

    @property
    def apply_command(self) -> str:
        """The command that deploys this environment, for messages."""
        return _apply(self.name, self.local)


def names(repository: Path = REPOSITORY) -> list[str]:
    """The environments there are: one folder each under mlflow/terraform."""
    return sorted(folder.parent.name for folder in (repository / _ROOTS).glob("*/main.tf"))


def load(
    name: str,
    *,
    local: bool,
    environ: MutableMapping[str, str],
    repository: Path = REPOSITORY,
    terraform: Terraform | None = None,
    published: parameters.Reader = parameters.read,
) -> Environment:
    """Read an environment's outputs, from its Terraform root or, if `local`, from localaws's copy of it.

    Where Terraform's state cannot be read, they are looked up in SSM Parameter Store, in the region of AWS_REGION.
    With `local`, `environ` afterwards points every AWS client of this process at localaws: see `use_localaws`.

    Raises:
        InputError: no such environment.
        PreconditionError: localaws is not running, or the outputs stand neither in a state nor in parameters.
    """
    known = names(repository)
    if name not in known:
        raise InputError(f"there is no environment {name!r}: --env takes {' or '.join(known)}")
    root = repository
    if local:
        home = localaws_home(environ, repository)
        use_localaws(home, environ)
        root = home / "terraform"
    try:
        outputs: Mapping[str, Any] = read_outputs(name, root / _ROOTS / name, terraform or _terraform, local=local)
    except PreconditionError as unreadable:
        folder = parameters.path(repository / _ROOTS / name)
        region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")
        if folder is None:
            raise
        if not region:
            raise PreconditionError(
                f"{unreadable.message}, or set AWS_REGION if {name} was deployed from elsewhere"
            ) from None
        outputs = _published(folder, region, published, unreadable)
        return Environment.from_outputs(name, outputs, local=local, source=f"the parameters below {folder}")
    return Environment.from_outputs(name, outputs, local=local)


def _published(
    folder: str, region: str, published: parameters.Reader, unreadable: PreconditionError
) -> Mapping[str, str]:
    """The outputs in Parameter Store, or the reason why there is nothing to be read anywhere."""
    try:
        found = published(folder, region)
    except Exception as error:
        reason = explain(error)
        if reason is None:
            raise
        raise PreconditionError(
            f"{unreadable.message} (nor from the parameters below {folder}: {reason.message})"
        ) from None
    if not found:
        raise unreadable
    return found


def localaws_home(environ: Mapping[str, str], repository: Path = REPOSITORY) -> Path:
    """Where localaws keeps its data."""
    return Path(environ.get("LOCALAWS_HOME") or repository / ".localaws")


def use_localaws(home: Path, environ: MutableMapping[str, str]) -> None:
    """Point this process at the localaws that keeps its data in `home`, and see that it answers.

    As its administrator; or, where `environ` holds a role's session for this same localaws, with that role's rights.

    Raises:
        PreconditionError: it is not running.
    """
    not_running = PreconditionError("localaws is not running: start it with `make local-up`")
    try:
        written = dict(line.split("=", 1) for line in (home / "env").read_text().splitlines())
    except OSError:
        raise not_running from None
    url = written.get("AWS_ENDPOINT_URL", "")
    # Only a session counts: keys without a token may be the administrator's of a localaws that has ended since.
    taken_up = url and environ.get("AWS_ENDPOINT_URL") == url and environ.get("AWS_SESSION_TOKEN")
    session = {name: environ[name] for name in SESSION if name in environ} if taken_up else {}
    # A person's own stay, beside what localaws wrote.
    unproxied = [environ.get("NO_PROXY") or environ.get("no_proxy", ""), written.get("NO_PROXY", "")]
    # A person's own AWS settings would win over these or contradict them.
    for name in list(environ):
        if name.startswith("AWS_"):
            del environ[name]
    for name, value in {**written, **session}.items():
        environ.pop(name, None)
        # Set but empty is not unset: boto3 looks for the profile that an empty AWS_PROFILE names.
        if value:
            environ[name] = value
    environ["NO_PROXY"] = environ["no_proxy"] = ",".join(filter(None, unproxied))
    try:
        with urlopen(f"{url}/_localaws/health", timeout=5) as answer:  # noqa: S310 localaws writes an http URL
            healthy = answer.status == HTTPStatus.OK
    except (URLError, OSError, ValueError):
        healthy = False
    if not healthy:
        raise not_running


def read_outputs(name: str, folder: Path, terraform: Terraform, *, local: bool) -> dict[str, Any]:
    """The values of the outputs of a Terraform root.

    Raises:
        PreconditionError: Terraform is missing, or nothing is deployed.
    """
    not_deployed = PreconditionError(f"{name} is not deployed: run `{_apply(name, local)}` first")
    if not folder.is_dir():
        raise not_deployed
    try:
        done = terraform([f"-chdir={folder}", "output", "-json", "-no-color"])
    except FileNotFoundError:
        raise PreconditionError("terraform is not installed or not on the PATH: install 1.11 or later") from None
    if done.returncode != 0:
        problem = next((line for line in done.stderr.splitlines() if "Error" in line), "no reason given")
        if "initialization required" in problem.lower():
            raise not_deployed
        raise PreconditionError(f"terraform cannot read {name}'s outputs: {problem.strip('│╷ ')}")
    outputs: dict[str, dict[str, Any]] = json.loads(done.stdout or "{}")
    if not outputs:
        raise not_deployed
    return {key: output["value"] for key, output in outputs.items()}


def check_account(environment: Environment, sts: STSClient) -> None:
    """See that the credentials belong to the account that the environment lives in.

    Raises:
        PreconditionError: they belong to another, or to a localaws that has ended.
    """
    try:
        account = sts.get_caller_identity()["Account"]
    except sts.exceptions.ClientError as error:
        if not environment.local or error_code(error) not in _NO_SESSION:
            raise
        # The administrator's keys were read just now, so these are a session's.
        raise PreconditionError(
            "localaws does not know the role's session in AWS_SESSION_TOKEN: take the role up again, or unset"
            " AWS_SESSION_TOKEN to go on as the administrator"
        ) from None
    if account != environment.account:
        raise PreconditionError(
            f"these credentials are for account {account}, and {environment.name} is in "
            f"{environment.account}: set AWS_PROFILE to a profile of that account"
        )


def _terraform(arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["terraform", *arguments], capture_output=True, text=True, check=False)


def _apply(name: str, local: bool) -> str:
    return f"make apply ENV={name}" + (" LOCAL=1" if local else "")
