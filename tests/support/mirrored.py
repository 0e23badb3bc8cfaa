"""The mirror of an environment, changed so that it applies quickly."""

import json
from pathlib import Path
from typing import Any

from localaws.mirror import mirror
from localaws.settings import REPOSITORY, Settings

# The provider polls new lifecycle rules for a minute. Only tests/e2e/smoke creates them, once.
QUICK = {"aws_s3_bucket_lifecycle_configuration": {"artifacts": {"count": 0}}}


def quick_mirror(
    settings: Settings,
    name: str,
    without: dict[str, Any] | None = None,
    source: Path = REPOSITORY,
    **variables: Any,
) -> Path:
    """Create the mirror of an environment, and return the folder of its root.

    Args:
        without: further resources of the mlflow module to leave out, named as in `QUICK`.
        source: the checkout to copy.
        variables: variables in addition to terraform.tfvars.
    """
    root = mirror(settings, name, source)
    # With this name, the next mirroring treats them as its own files. It deletes no .tf.json files.
    (root / "localaws-more.auto.tfvars.json").write_text(json.dumps(variables))
    module = settings.terraform / "terraform/module/mlflow"
    (module / "quick_override.tf.json").write_text(json.dumps({"resource": {**QUICK, **(without or {})}}))
    return root
