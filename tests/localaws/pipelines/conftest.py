"""Pipelines use the bucket and the role of the jobs' tests."""

from tests.localaws.jobs.conftest import bench  # noqa: F401 pytest finds fixtures by name.
