"""Shows a job's folder to its process as /opt/ml, without Docker.

On Linux, the process gets a mount namespace of its own, which an ordinary user may create unless the system forbids it.
Elsewhere the process finds the folder by SAGEMAKER_BASE_DIR, the variable of SageMaker's own toolkits
(https://github.com/aws/sagemaker-training-toolkit, environment.py), and paths in its request are rewritten.
"""

import shutil
import subprocess
from functools import cache
from pathlib import Path

from localaws.processes import Command

ML = "/opt/ml"
# /opt gets a tmpfs with its present entries and ml, because an ordinary user cannot create /opt/ml.
_SCRIPT = """\
set -e
job=$1; shift
mkdir -p "$job/opt"
mount --rbind /opt "$job/opt"
mount -t tmpfs tmpfs /opt
for entry in "$job"/opt/*; do
  [ -e "$entry" ] && [ "${entry##*/}" != ml ] || continue
  if [ -d "$entry" ]; then mkdir "/opt/${entry##*/}"; else : > "/opt/${entry##*/}"; fi
  mount --rbind "$entry" "/opt/${entry##*/}"
done
mkdir /opt/ml
mount --bind "$job/ml" /opt/ml
exec "$@"
"""
_UNSHARE = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", _SCRIPT, "sh")


def in_folder(folder: Path, command: Command) -> Command:
    """The command that runs `command` with `folder/ml` as /opt/ml, where `can_mount`."""
    return [*_UNSHARE, folder, *command] if can_mount() else command


def base(folder: Path) -> str:
    """Where the job's process finds its files."""
    return ML if can_mount() else str(folder / "ml")


@cache
def can_mount() -> bool:
    """Whether this system allows it: not macOS, and not Linux with restricted user namespaces."""
    if not shutil.which("unshare") or not Path("/opt").is_dir():
        return False
    probe = "mount -t tmpfs tmpfs /opt && mkdir /opt/ml"
    done = subprocess.run([*_UNSHARE[:6], probe], capture_output=True, timeout=10, check=False)
    return done.returncode == 0
