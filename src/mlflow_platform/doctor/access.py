"""Checks of this machine and its access: credentials, region, clock, versions of the tools."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

from mlflow_common.errors import error_code
from mlflow_platform.account import check_account
from mlflow_platform.compatibility import matrix as compatibility
from mlflow_platform.doctor.context import Context
from mlflow_platform.doctor.finding import Verdict, failed, passed, skipped, warned

# AWS refuses a signature whose time differs by more than five minutes (AWS General Reference, Signature Version 4).
_SKEW_FAILS, _SKEW_WARNS = 300, 60
# The version in the lock files of mlflow/terraform.
_PROVIDER = "5.100.0"
_REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")
_CLOCK = "Set this machine's clock, for example with `sudo timedatectl set-ntp true`."


def credentials(context: Context) -> Verdict:
    """The credentials work, and belong to the environment's account."""
    environment = context.environment
    sts = context.client("sts")
    check_account(environment.ref, environment.account, sts)
    return passed(f"{sts.get_caller_identity()['Arn']} in account {environment.account}")


def region(context: Context) -> Verdict:
    """AWS_REGION and AWS_DEFAULT_REGION do not send other tools to another region.

    The AWS CLI prefers the first one, and boto3 reads only the second one:
    https://docs.aws.amazon.com/sdkref/latest/guide/feature-region.html
    """
    wanted = context.environment.region
    given = {name: context.environ[name] for name in _REGIONS if context.environ.get(name)}
    wrong = {name: value for name, value in given.items() if value != wanted}
    if wrong:
        name, value = next(iter(wrong.items()))
        return warned(
            f"{name} is {value}, but the environment is in {wanted}. The scripts use {wanted}; the AWS CLI or "
            "MLflow's own clients do not.",
            f"Run `export {' '.join(f'{one}={wanted}' for one in wrong)}`.",
        )
    return passed(f"{wanted} ({' and '.join(given) or 'from the outputs'})")


def clock(context: Context) -> Verdict:
    """This machine's clock agrees with AWS's."""
    sts = context.client("sts")
    try:
        answer = sts.get_caller_identity()
    except sts.exceptions.ClientError as error:
        if error_code(error) not in {"RequestExpired", "SignatureDoesNotMatch", "InvalidSignatureException"}:
            raise
        answer = error.response
    date = answer["ResponseMetadata"].get("HTTPHeaders", {}).get("date")
    if date is None:
        return skipped("AWS's answer has no date.")
    skew = (context.now() - parsedate_to_datetime(date)).total_seconds()
    text = f"{abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} AWS"
    if abs(skew) > _SKEW_FAILS:
        return failed(f"The clock is {text}: AWS refuses requests that differ by more than 5 minutes.", _CLOCK)
    if abs(skew) > _SKEW_WARNS:
        return warned(f"The clock is {text}. From 5 minutes on, AWS refuses requests.", _CLOCK)
    return passed(f"within {_SKEW_WARNS} s of AWS's")


def terraform(context: Context) -> Verdict:
    """Terraform on this machine can read and write the state."""
    here = context.terraform_version
    install = "Install it: https://developer.hashicorp.com/terraform/install"
    if here is None:
        return warned("Terraform is not installed, so this machine cannot plan or apply.", install)
    if context.state is None:
        return warned(
            f"Terraform {here} cannot read the state from here; the outputs come from {context.environment.source}.",
            f"To compare with the state, run `make init {context.environment.ref.make_options}` with access to it.",
        )
    written = context.state.terraform_version
    if _numbers(here) < _numbers(written):
        return failed(f"Terraform {here} cannot use the state, which Terraform {written} wrote.", install)
    return passed(f"{here}; the state was written by {written}")


def provider(context: Context) -> Verdict:
    """Terraform's AWS provider is of the major version that the modules are tested with."""
    found = context.provider_version
    if found is None:
        return skipped("The root has no lock file that names a version of the AWS provider.")
    if _numbers(found)[:1] != _numbers(_PROVIDER)[:1]:
        return warned(
            f"The lock file names AWS provider {found}; the modules are tested with {_PROVIDER}.",
            "Look for unexpected changes in each plan, or restore `.terraform.lock.hcl` and run `make init "
            f"{context.environment.ref.make_options}`.",
        )
    return passed(found)


def mlflow_client(context: Context) -> Verdict:
    """The MLflow client works with the server's version."""
    server = context.environment.server.mlflow_version
    client = context.versions("mlflow")
    if client is None:
        return failed("MLflow is not installed in this Python environment.", "Run `make setup`.")
    measured = compatibility.load()
    unable = measured.unable(client, server, compatibility.USED)
    if unable:
        what = ", ".join(measured.described(one) for one in unable)
        return failed(
            f"MLflow {client} cannot do this with a server of MLflow {server}: {what}.",
            f"{measured.repair(server, compatibility.USED, context.environment.ref.make_options)}.",
        )
    return passed(f"client {client}, server {server}")


def plugin(context: Context) -> Verdict:
    """The plugin that signs MLflow's requests is installed."""
    found = context.versions("sagemaker-mlflow")
    if found is None:
        return failed(
            "The plugin sagemaker-mlflow is not installed, so MLflow does not understand the tracking URI.",
            "Run `make setup`; elsewhere `pip install sagemaker-mlflow`.",
        )
    return passed(f"sagemaker-mlflow {found}")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("-")[0].split(".") if part.isdigit())
