"""The life of prod, which has more than staging, on a localaws of its own: applied, kept, destroyed.

Staging's is in tests/smoke, which apply it for everything else that needs it. That a plan after an apply changes
nothing is tested there for staging, and in test_apply_killed.py for prod with all that it can be made of.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from localaws import daemon
from tests.plan.applying import Environment
from tests.running import LocalAws, start


@pytest.fixture(scope="module")
def prod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    """In an account that holds nothing else."""
    account = start(tmp_path_factory.mktemp("account") / "home")
    yield Environment(account, "prod")
    daemon.down(account.settings)


def belongings(localaws: LocalAws) -> dict[str, Any]:
    """What an environment leaves if it leaves anything; a key that is going to be deleted is gone."""
    kms = localaws.client("kms")
    keys = [kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"] for key in kms.list_keys()["Keys"]]
    return {
        "servers": localaws.client("sagemaker").list_mlflow_tracking_servers()["TrackingServerSummaries"],
        "buckets": localaws.client("s3").list_buckets()["Buckets"],
        "roles": [r["RoleName"] for r in localaws.client("iam").list_roles()["Roles"] if "mlflow" in r["RoleName"]],
        "keys": [key for key in keys if key["KeyManager"] == "CUSTOMER" and key["KeyState"] == "Enabled"],
        "repositories": localaws.client("ecr").describe_repositories()["repositories"],
    }


def test_an_environment_is_applied_keeps_its_objects_and_leaves_nothing_behind(prod: Environment) -> None:
    applied = prod.deployed.terraform("apply", check=False)
    assert applied.returncode == 0, applied.stdout + applied.stderr

    # As a kill leaves it that comes while Terraform writes it.
    state = prod.root / "terraform.tfstate"
    state.rename(prod.root / "terraform.tfstate.backup")
    state.write_text("")
    mended = prod.deployed.terraform("output", "-raw", "mlflow_version")
    assert (mended.stdout, "was cut off by a kill" in mended.stderr) == ("3.0", True)

    # A destroy that could not delete the bucket must not delete the server, and the runs, before it finds out.
    s3 = prod.localaws.client("s3")
    bucket = prod.deployed.terraform("output", "-raw", "artifact_bucket_name").stdout
    version = s3.put_object(Bucket=bucket, Key="0/run/artifacts/model", Body=b"a model")["VersionId"]
    refused = prod.deployed.terraform("destroy", check=False)
    assert refused.returncode == 3
    assert refused.stderr.strip().startswith(f"error: bucket {bucket} still holds objects, so nothing was destroyed")
    assert len(belongings(prod.localaws)["servers"]) == 1
    s3.delete_object(Bucket=bucket, Key="0/run/artifacts/model", VersionId=version)

    destroyed = prod.deployed.terraform("destroy", check=False)
    assert destroyed.returncode == 0, destroyed.stdout + destroyed.stderr
    assert belongings(prod.localaws) == {"servers": [], "buckets": [], "roles": [], "keys": [], "repositories": []}
    undeployed = prod.deployed.terraform("output", check=False)
    assert (undeployed.returncode, undeployed.stderr) == (
        3,
        "error: prod is not deployed yet: run `make apply ENV=prod LOCAL=1`\n",
    )
