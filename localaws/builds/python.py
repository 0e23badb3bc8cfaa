"""The Python environment of a build: CodeBuild's images have Python with pip."""

import importlib.util
import shutil
import venv
from pathlib import Path

_PIP = """\
#!/bin/sh
exec "$(dirname "$0")/python" -m pip "$@"
"""


def make_python(folder: Path) -> Path:
    """Make a virtual environment with pip, and return its interpreter.

    pip is copied from localaws's own environment: installing it takes seconds in each build.
    """
    spec = importlib.util.find_spec("pip")
    venv.create(folder, symlinks=True, with_pip=spec is None)
    interpreter = folder / "bin" / "python"
    if spec is not None and spec.origin:
        (site,) = folder.glob("lib/python*/site-packages")
        shutil.copytree(Path(spec.origin).parent, site / "pip", ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("pip", "pip3"):
            script = folder / "bin" / name
            script.write_text(_PIP)
            script.chmod(0o755)
    return interpreter
