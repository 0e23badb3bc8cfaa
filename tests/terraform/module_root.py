"""A root that calls modules, without the mlflow module's slow resources, applied on localaws."""

import json
import shutil
import subprocess
from pathlib import Path

from tests.support import provider
from tests.support.mirrored import QUICK
from tests.support.provider import REPOSITORY
from tests.support.running import RunningLocalAws
from tests.terraform.readmes import SOURCE

PROVIDER = 'provider "aws" {\n  region            = "us-east-1"\n  s3_use_path_style = true\n}\n'


class ModuleRoot:
    """A root with these blocks, in which a module's source is an address that ends in terraform/module/NAME."""

    def __init__(self, folder: Path, localaws: RunningLocalAws, *blocks: str) -> None:
        self._localaws, self.folder = localaws, folder / "root"
        text = "\n".join([PROVIDER, *blocks])
        for module in {name for _, name in SOURCE.findall(text)}:
            shutil.copytree(REPOSITORY / "terraform/module" / module, folder / module)
            if module == "mlflow":
                (folder / "mlflow/quick_override.tf.json").write_text(json.dumps({"resource": QUICK}))
        self.folder.mkdir()
        (self.folder / "main.tf").write_text(SOURCE.sub(r'source = "../\2"', text))
        if provider.config():
            self("get")
        else:
            self("init", "-input=false", *([f"-plugin-dir={where}"] if (where := provider.mirror()) else []))

    def __call__(self, verb: str, *arguments: str) -> str:
        """What a command prints; it must succeed."""
        done = subprocess.run(
            ["terraform", verb, *arguments, *(["-no-color"] if verb != "show" else [])],
            cwd=self.folder,
            env=self._localaws.environ(CHECKPOINT_DISABLE="1"),
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout
