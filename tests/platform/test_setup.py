"""`make setup` and `scripts/setup.sh`: one line says what a machine lacks, and finished work is not repeated.

In a copy, with a fake Python: nothing is installed.
"""

import os
import resource
import shutil
import subprocess
from pathlib import Path

import pytest

from mlflow_platform.environment import REPOSITORY

# Records its arguments. BROKEN names what fails. `-m venv` creates a .venv of copies of it, and pip a uv.
PYTHON = """\
#!/bin/bash
echo "${0##*/} $*" >>calls
case "$*" in
  "-c import sys;"*) [ "$BROKEN" != old ] ;;
  --version) [ "$BROKEN" = old ] && echo "Python 3.9.2" || echo "Python 3.12.1" ;;
  "-m venv"*) [ "$BROKEN" != venv ] && mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
  "-m pip"*) echo "pip has something to say" && [ "$BROKEN" != pip ] && cp "$0" .venv/bin/uv ;;
  "pip sync"*) [ "$BROKEN" != sync ] ;;
esac
"""
READ = ("Makefile", "pyproject.toml", "requirements.lock", "scripts/setup.sh", "localaws/servers/mlflow-3.0.lock")
TOOLS = ("awk", "bash", "cp", "dirname", "make", "mkdir", "rm", "tail", "touch")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A checkout with the files that `make setup` reads. Terraform is installed."""
    for name in ("scripts", "bin", "localaws/servers"):
        (tmp_path / name).mkdir(parents=True)
    for name in READ:
        shutil.copy(REPOSITORY / name, tmp_path / name)
    _program(tmp_path / "scripts/terraform.sh", "#!/bin/bash\necho /a/mirror\n")
    _program(tmp_path / "bin/python3", PYTHON)
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found
        (tmp_path / "bin" / tool).symlink_to(found)
    return tmp_path


def _program(file: Path, text: str) -> None:
    file.write_text(text)
    file.chmod(0o755)


def run(copy: Path, *command: str, broken: str = "") -> "subprocess.CompletedProcess[str]":
    # Remove the variables that make exports, and other Python installations.
    environ = {"PATH": str(copy / "bin"), "HOME": os.environ["HOME"], "BROKEN": broken}
    return subprocess.run(command, cwd=copy, env=environ, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.parametrize(
    ("broken", "line"),
    [
        ("old", "Python 3.11 or later is needed, python3 is Python 3.9.2: install it or set PYTHON=/path/to/python"),
        ("venv", "python3 cannot make virtual environments: install its venv module (on Debian python3-venv)."),
        ("pip", "uv could not be installed from the Python package index: check the network or pip's index settings."),
        ("sync", "the packages of requirements.lock could not be installed: check the network or uv's index settings"),
    ],
)
def test_what_is_missing_is_reported_with_what_to_do(copy: Path, broken: str, line: str) -> None:
    done = run(copy, "scripts/setup.sh", broken=broken)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.splitlines()[-1].startswith(f"error: {line}")


def test_setup_fails_without_terraform(copy: Path) -> None:
    _program(copy / "scripts/terraform.sh", "#!/bin/bash\necho 'error: Terraform is not installed' >&2\nexit 3\n")
    done = run(copy, "scripts/setup.sh")
    assert (done.returncode, done.stdout, done.stderr) == (3, "", "error: Terraform is not installed\n")


def test_messages_do_not_go_to_standard_output(copy: Path) -> None:
    done = run(copy, "make", "-s", "setup")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.splitlines() == [
        "Creating .venv with Python 3.12.1.",
        "pip has something to say",
        "Terraform provider: /a/mirror.",
    ]


def cpu_seconds() -> float:
    """The processor time of all ended child processes; unlike elapsed time, it hardly depends on other processes."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_a_second_setup_does_nothing_in_under_a_second(copy: Path) -> None:
    assert run(copy, "make", "setup").returncode == 0
    calls = (copy / "calls").read_text()
    before = cpu_seconds()
    again = run(copy, "make", "setup")
    assert cpu_seconds() - before < 1
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    assert (copy / "calls").read_text() == calls


def test_a_changed_lock_is_installed_into_the_same_environment(copy: Path) -> None:
    assert run(copy, "make", "setup").returncode == 0
    (copy / "calls").unlink()
    os.utime(copy / ".venv/.ready", (0, 0))
    assert run(copy, "make", "setup").returncode == 0
    calls = (copy / "calls").read_text()
    assert "uv pip sync --quiet --require-hashes requirements.lock" in calls
    assert "-m venv" not in calls


def test_uv_uses_the_given_python_and_respects_a_low_limit_of_open_files(copy: Path) -> None:
    _program(
        copy / "bin/python3",
        PYTHON.replace("#!/bin/bash\n", '#!/bin/bash\nexport -p | sed -n "s/declare -x UV_/UV_/p" >uv\n'),
    )
    (copy / "bin/sed").symlink_to(shutil.which("sed") or "")
    assert run(copy, "bash", "-c", "ulimit -n 256 && exec scripts/setup.sh").returncode == 0
    assert (copy / "uv").read_text().splitlines() == [
        'UV_CONCURRENT_BUILDS="1"',
        'UV_CONCURRENT_DOWNLOADS="4"',
        'UV_CONCURRENT_INSTALLS="2"',
        'UV_PYTHON_DOWNLOADS="never"',
    ]
