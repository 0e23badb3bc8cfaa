"""`make bootstrap`: the bucket is made once, survives an interruption, holds its own state and is told to everybody."""

import json
from pathlib import Path

import pytest

from mlflow_common.errors import PlatformError, PreconditionError
from mlflow_platform.bootstrap import DRAFT, ROOT, Bootstrap, Bucket
from tests.localaws.state.conftest import NAME, Checkout
from tests.support.running import RunningLocalAws


def test_an_interrupted_bootstrap_goes_on_where_it_was(checkout: Checkout) -> None:
    assert checkout.progress.count(f"bucket {NAME} does not exist yet") == 1
    assert "moving the bucket's own state into it" in checkout.progress
    assert not (checkout.folder / DRAFT).exists()


def test_the_bucket_is_versioned_and_holds_the_state_of_its_own_root(
    checkout: Checkout, localaws: RunningLocalAws
) -> None:
    s3 = localaws.client("s3")
    assert s3.get_bucket_versioning(Bucket=NAME)["Status"] == "Enabled"
    state = json.load(s3.get_object(Bucket=NAME, Key="mlflow/state/terraform.tfstate")["Body"])
    assert "aws_s3_bucket" in {resource["type"] for resource in state["resources"]}


def test_every_environment_is_told_its_own_key_and_locks(checkout: Checkout) -> None:
    for environment in ("staging", "prod"):
        text = checkout.backend(environment).read_text()
        assert f'"mlflow/{environment}/terraform.tfstate"' in text
        assert "use_lockfile        = true" in text


def test_again_changes_nothing_and_keeps_what_somebody_wrote_by_hand(checkout: Checkout) -> None:
    staging = checkout.backend("staging")
    written = staging.read_text()
    staging.write_text('bucket = "mine"\n')
    try:
        assert checkout.bootstrap() == {"prod": "unchanged", "staging": "kept"}
        assert staging.read_text() == 'bucket = "mine"\n'
    finally:
        staging.write_text(written)
    assert not any("applying" in line for line in checkout.progress[-1:])


def test_without_a_name_for_the_bucket_it_says_where_to_write_one(tmp_path: Path) -> None:
    (tmp_path / "terraform.tfvars").write_text('# bucket_name = "mine"\nregion = "us-east-1"\n')
    with pytest.raises(PreconditionError, match=r"Set bucket_name and allowed_account_ids in terraform/bootstrap/ter"):
        Bucket.read(tmp_path)


def test_terraforms_own_error_is_the_one_line(checkout: Checkout) -> None:
    def fails(folder: Path, arguments: list[str], capture: bool):  # type: ignore[no-untyped-def]
        return checkout.terraform(folder, ["init", "-backend-config=bucket=", "-input=false", "-reconfigure"], capture)

    with pytest.raises(PlatformError, match="terraform init failed: ") as failed:
        Bootstrap(checkout.folder, fails, lambda _: None, lambda _: None)()
    assert "\n" not in failed.value.message
    assert (checkout.folder / ROOT).exists()
