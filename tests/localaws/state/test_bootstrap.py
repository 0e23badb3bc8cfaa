"""`make bootstrap` creates the bucket once, resumes after an interruption, and writes the backend of every root."""

import json
from pathlib import Path

import pytest

from mlflow_common.errors import PlatformError, PreconditionError
from mlflow_platform.bootstrap import DRAFT, ROOT, Bootstrap, Bucket
from tests.localaws.state.conftest import NAME, Checkout
from tests.support.running import RunningLocalAws


def test_resumes_an_interrupted_bootstrap(checkout: Checkout) -> None:
    assert checkout.progress.count(f"bucket {NAME} does not exist yet") == 1
    assert "moving the bucket's own state into it" in checkout.progress
    assert not (checkout.folder / DRAFT).exists()


def test_the_bucket_is_versioned_and_stores_its_own_state(checkout: Checkout, localaws: RunningLocalAws) -> None:
    s3 = localaws.client("s3")
    assert s3.get_bucket_versioning(Bucket=NAME)["Status"] == "Enabled"
    state = json.load(s3.get_object(Bucket=NAME, Key="mlflow/state/terraform.tfstate")["Body"])
    assert "aws_s3_bucket" in {resource["type"] for resource in state["resources"]}


def test_every_environment_gets_its_own_state_key_and_lock(checkout: Checkout) -> None:
    for environment in ("staging", "prod"):
        text = checkout.backend(environment).read_text()
        assert f'"mlflow/{environment}/terraform.tfstate"' in text
        assert "use_lockfile        = true" in text


def test_running_it_again_changes_nothing_and_keeps_manual_settings(checkout: Checkout) -> None:
    staging = checkout.backend("staging")
    written = staging.read_text()
    staging.write_text('bucket = "mine"\n')
    try:
        assert checkout.bootstrap() == {"prod": "unchanged", "staging": "kept"}
        assert staging.read_text() == 'bucket = "mine"\n'
    finally:
        staging.write_text(written)
    assert not any("applying" in line for line in checkout.progress[-1:])


def test_without_a_bucket_name_the_error_names_the_file_to_set_it_in(tmp_path: Path) -> None:
    (tmp_path / "terraform.tfvars").write_text('# bucket_name = "mine"\nregion = "us-east-1"\n')
    with pytest.raises(PreconditionError, match=r"Set bucket_name and allowed_account_ids in terraform/bootstrap/ter"):
        Bucket.read(tmp_path)


def test_reports_terraforms_error_in_one_line(checkout: Checkout) -> None:
    def fails(folder: Path, arguments: list[str], capture: bool):  # type: ignore[no-untyped-def]
        return checkout.terraform(folder, ["init", "-backend-config=bucket=", "-input=false", "-reconfigure"], capture)

    with pytest.raises(PlatformError, match="terraform init failed: ") as failed:
        Bootstrap(checkout.folder, fails, lambda _: None, lambda _: None)()
    assert "\n" not in failed.value.message
    assert (checkout.folder / ROOT).exists()
