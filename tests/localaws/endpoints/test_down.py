"""What is left of endpoints when their localaws ends."""

import os
import time
from pathlib import Path

from localaws import daemon
from tests.localaws.endpoints.hosted import Hosted, unique
from tests.running import start
from tests.serving.models import save_obedient


def test_down_ends_containers_in_service_and_those_that_still_load(tmp_path: Path) -> None:
    """And nobody starts them again."""
    save_obedient(tmp_path / "quick")
    save_obedient(tmp_path / "slow", load="time.sleep(60)")
    localaws = start(tmp_path / "home")
    try:
        hosted = Hosted(localaws, tmp_path)
        name = hosted.endpoint(tmp_path / "quick")
        serving = int(hosted.predict(name, '{"dataframe_records": [{"x": 1}]}')[0])
        slow = unique("slow")
        config = hosted.config(hosted.model(tmp_path / "slow"))
        hosted.sagemaker.create_endpoint(EndpointName=slow, EndpointConfigName=config)
        notes = localaws.settings.run / "processes"
        hosted.until(lambda: list(notes.glob(f"endpoint-{slow}-*")), bool)
    finally:
        began = time.monotonic()
        daemon.down(localaws.settings)
    assert time.monotonic() - began < 20
    assert not _runs(serving)
    assert not list(notes.iterdir())


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
