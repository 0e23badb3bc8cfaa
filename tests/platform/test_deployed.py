"""The environment against which `make smoke` runs."""

from pathlib import Path

import pytest

from tests.support import deployed
from tests.support.running import free_port


@pytest.mark.parametrize("before", [False, True], ids=["never started", "ended"])
def test_smoke_tests_without_localaws_say_how_to_start_it(
    before: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if before:
        (tmp_path / "env").write_text(f"AWS_ENDPOINT_URL=http://127.0.0.1:{free_port()}\n")
    for name, value in {"SMOKE_ENV": "staging", "SMOKE_LOCAL": "1", "LOCALAWS_HOME": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(pytest.exit.Exception) as ended:
        deployed.from_environment()
    assert (ended.value.msg, ended.value.returncode) == ("localaws is not running. Start it with `make local-up`.", 3)
