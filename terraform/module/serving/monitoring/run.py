"""Unpacks the code of a monitoring job, which is beside this file, and runs `scripts/monitor.py` of it."""

import gzip
import json
import runpy
import sys
import tempfile
from pathlib import Path

with tempfile.TemporaryDirectory() as folder, gzip.open(Path(__file__).with_name("tool.json.gz")) as archive:
    for name, text in json.load(archive).items():
        path = Path(folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    sys.path[:0] = [str(Path(folder, "src")), folder]
    script = Path(folder, "scripts", "monitor.py")
    sys.argv[0] = str(script)
    runpy.run_path(str(script), run_name="__main__")
