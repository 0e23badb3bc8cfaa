"""Names: derived from content, within AWS's limits, and specific to one endpoint."""

from dataclasses import replace
from typing import Any

import pytest

from mlflow_common.errors import InputError
from mlflow_platform.endpoints import specification
from mlflow_platform.endpoints.model import Model
from mlflow_platform.endpoints.specification import EndpointSpec
from mlflow_platform.environment import Environment

SPEC = EndpointSpec("mlflow-staging-iris", "s3://b/a.tar.gz", "image:1", "arn:role", "ml.m5.large", 1, {})


def test_names_do_not_depend_on_tags() -> None:
    again = replace(SPEC, tags={"model-uri": "models:/iris/2"})
    assert (again.model_name, again.config_name) == (SPEC.model_name, SPEC.config_name)


@pytest.mark.parametrize("change", [{"archive_uri": "s3://b/b.tar.gz"}, {"image": "image:2"}, {"role": "arn:other"}])
def test_another_archive_image_or_role_gives_another_model_name(change: Any) -> None:
    other = replace(SPEC, **change)
    assert other.model_name != SPEC.model_name
    assert other.config_name != SPEC.config_name


@pytest.mark.parametrize("change", [{"instance_type": "ml.m5.xlarge"}, {"instance_count": 2}])
def test_other_instances_give_another_configuration_of_the_same_model(change: Any) -> None:
    other = replace(SPEC, **change)
    assert other.model_name == SPEC.model_name
    assert other.config_name != SPEC.config_name


@pytest.mark.parametrize("length", [1, 51, 52, 53, 63])
def test_names_fit_into_63_characters_and_belong_to_their_endpoint(length: int) -> None:
    long = replace(SPEC, endpoint="e" * length)
    for name in (long.model_name, long.config_name):
        assert len(name) <= 63
        specification.check_name(name)
        assert specification.belongs_to(long.endpoint, name)


def test_names_of_another_endpoint_do_not_belong_to_this_one() -> None:
    assert not specification.belongs_to(
        "mlflow-staging-iris", replace(SPEC, endpoint="mlflow-staging-iris-2").model_name
    )
    assert not specification.belongs_to("mlflow-staging-iris-2", SPEC.model_name)
    first, second = "e" * 60 + "one", "e" * 60 + "two"
    assert not specification.belongs_to(first, replace(SPEC, endpoint=second).config_name)


def test_an_endpoint_is_named_after_its_model(environment: Environment) -> None:
    assert specification.default_name(environment, "iris", "models:/iris/1") == "mlflow-staging-iris"
    assert specification.default_name(environment, "my_model.v2", "models:/x/1") == "mlflow-staging-my-model-v2"


@pytest.mark.parametrize("name", [None, "", "a" * 60, "模型", "___"])
def test_asks_for_a_name_if_the_model_gives_none(environment: Environment, name: str | None) -> None:
    with pytest.raises(InputError, match="Add --endpoint NAME"):
        specification.default_name(environment, name, "s3://b/m")


@pytest.mark.parametrize("name", ["a_b", "-a", "a-", "a" * 64, "", "ä"])
def test_rejects_invalid_endpoint_names(name: str) -> None:
    with pytest.raises(InputError, match="is not a valid endpoint name"):
        specification.check_name(name)


def test_archives_are_stored_where_the_endpoint_role_may_read(environment: Environment) -> None:
    below = replace(environment, artifact_store="s3://bucket/team")
    assert (
        specification.archive_uri(below, "e", "ab" * 32) == "s3://bucket/team/endpoints/e/abababababababab/model.tar.gz"
    )


def test_tags_contain_only_what_is_known(environment: Environment) -> None:
    assert specification.tags(environment, Model("s3://b/m", "s3://b/m")) == {
        "project": "mlflow",
        "environment": "staging",
        "model-uri": "s3://b/m",
    }
