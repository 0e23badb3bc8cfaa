"""Facts about instance types."""

import pytest

from mlflow_common.instance_types import has_local_storage


@pytest.mark.parametrize(
    ("instance_type", "has"),
    [
        *((f"ml.{name}", False) for name in ("m5.large", "c7i.xlarge", "c6gn.large", "inf2.xlarge", "p3.2xlarge")),
        *((f"ml.{name}", True) for name in ("m5d.large", "g4dn.xlarge", "r7gd.large", "p4de.24xlarge", "g6e.xlarge")),
        *(
            (f"ml.{name}", True)
            for name in ("i4i.xlarge", "p5en.48xlarge", "p6-b200.48xlarge", "trn1n.32xlarge", "gr6.4xlarge")
        ),
    ],
)
def test_knows_the_instance_types_with_local_storage(instance_type: str, has: bool) -> None:
    assert has_local_storage(instance_type) is has
