"""What monitoring stored is read again only as monitoring writes it: others may write there too."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from mlflow_common.errors import PlatformError
from mlflow_platform.monitoring import endpoints, ingestion, publishing, service
from mlflow_platform.monitoring.dataset import Deployment
from mlflow_platform.monitoring.store import Store

BUCKET = "data"
NOON = datetime(2026, 3, 5, 12, tzinfo=UTC)


@pytest.fixture
def store(aws: Callable[[str], Any]) -> Store:
    aws("s3").create_bucket(Bucket=BUCKET)
    return Store(aws("s3"), f"s3://{BUCKET}/monitoring/e")


DAMAGED = [b"", b"{", b"3", b"[3]", b'["a"]', b'{"a": 1}', b'[{"a": 1}]', b"[" * 100_000, b"\xff"]


@pytest.mark.parametrize("content", DAMAGED)
def test_a_file_that_monitoring_did_not_write_is_named(store: Store, content: bytes) -> None:
    deployed = Deployment(NOON, "run", "models:/m/1")
    for key, read in (
        ("status.json", lambda: service.status(store)),
        ("deployments/variant=v.json", lambda: endpoints.remember(store, "v", deployed)),
        ("a.json", lambda: store.read_json("a.json", ingestion._manifest, {})),
        ("b.json", lambda: store.read_json("b.json", publishing._logged, {})),
    ):
        store.write(key, content)
        with pytest.raises(PlatformError, match=f"s3://data/monitoring/e/{key} is not as monitoring writes it"):
            read()


def test_what_monitoring_wrote_is_read(store: Store) -> None:
    deployed = Deployment(NOON, "run", "models:/m/1")
    assert service.status(store) == []
    assert endpoints.remember(store, "v", deployed) == endpoints.remember(store, "v", deployed) == [deployed]
    manifest = {"k": {"etag": "e", "rows": 1, "malformed": 1, "problems": [[1, "no"]]}}
    store.write("m.json", json.dumps(manifest).encode())
    assert store.read_json("m.json", ingestion._manifest, {}) == manifest
