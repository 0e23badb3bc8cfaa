"""An environment's mirror, which applies in as few seconds as that can cost."""

import json
from pathlib import Path
from typing import Any

from localaws.mirror import mirror
from localaws.settings import REPOSITORY, Settings

# The provider watches new lifecycle rules for a minute before it believes S3; tests/e2e/smoke waits for them, once.
QUICK = {"aws_s3_bucket_lifecycle_configuration": {"artifacts": {"count": 0}}}


def quick_mirror(
    settings: Settings,
    name: str,
    without: dict[str, Any] | None = None,
    source: Path = REPOSITORY,
    **variables: Any,
) -> Path:
    """Makes the mirror of an environment; returns its root's folder.

    Args:
        without: more resources of the mlflow module, as `QUICK` names them, that take too long.
        source: the checkout to copy.
        variables: on top of terraform.tfvars.
    """
    root = mirror(settings, name, source)
    # So named that the mirror's next making takes them for its own; nor does it delete any .tf.json files.
    (root / "localaws-more.auto.tfvars.json").write_text(json.dumps(variables))
    module = settings.terraform / "terraform/module/mlflow"
    (module / "quick_override.tf.json").write_text(json.dumps({"resource": {**QUICK, **(without or {})}}))
    return root
