"""One process of the AWS provider for many runs of Terraform.

Terraform starts the provider three times for a plan and four times for an apply, and each start takes 0.6 seconds of
processor time, which is most of what a small plan costs. Terraform can use a provider that runs already:
https://developer.hashicorp.com/terraform/plugin/debugging#starting-a-provider-in-debug-mode
"""

import atexit
import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from tests.support import provider

REATTACH = "TF_REATTACH_PROVIDERS"
# The provider ends with the test process, even if that is killed: its end closes the pipe.
# bash closes its own standard output, so that the end of a provider that does not start is noticed.
UNTIL_PIPE_CLOSES = '"$0" -debug & exec >&-; read -r; kill "$!"; wait'


def attachment(environ: Mapping[str, str]) -> dict[str, str]:
    """The variable with which Terraform uses this process's provider; none if there is no unpacked provider.

    The provider has the credentials and the endpoint of `environ`, its own working folder, and the configuration of one
    root at a time. So it is not for a root with relative paths to files, for two runs of Terraform at once, or for a
    Terraform that is killed together with its calls.
    """
    binary = provider.unpacked()
    if not binary:
        return {}
    # Configured for the second time, the provider refuses the bundle; localaws has no TLS.
    aws = {name: value for name, value in environ.items() if name.startswith("AWS_") and name != "AWS_CA_BUNDLE"}
    return {REATTACH: _started(binary, json.dumps(aws, sort_keys=True))}


@cache
def _started(binary: Path, aws: str) -> str:
    """Start a provider with these variables of AWS, and return how Terraform reaches it."""
    folder = tempfile.TemporaryDirectory(prefix="provider-")
    log = Path(folder.name, "log")
    others = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    process = subprocess.Popen(
        ["bash", "-c", UNTIL_PIPE_CLOSES, binary],
        env={**others, **json.loads(aws), "TMPDIR": folder.name},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log.open("w"),
        text=True,
        start_new_session=True,
    )
    atexit.register(_stop, process, folder)
    assert process.stdout is not None
    for line in process.stdout:
        name, _, value = line.strip().partition("=")
        if name == REATTACH:
            return value.strip("'")
    raise AssertionError(f"{binary} did not start: {log.read_text()[-1000:]}")


def _stop(process: "subprocess.Popen[str]", folder: "tempfile.TemporaryDirectory[str]") -> None:
    assert process.stdin is not None
    process.stdin.close()
    process.wait(30)
    folder.cleanup()
