"""Names: they say what they name, fit AWS's limits, and belong to one endpoint."""

from dataclasses import replace
from typing import Any

import pytest

from mlflow_common.errors import InputError
from mlflow_platform.endpoints import specification as plan
from mlflow_platform.endpoints.model import Model
from mlflow_platform.endpoints.specification import Plan
from mlflow_platform.environment import Environment

PLAN = Plan("mlflow-staging-iris", "s3://b/a.tar.gz", "image:1", "arn:role", "ml.m5.large", 1, {})


def test_the_same_plan_has_the_same_names_whatever_its_tags() -> None:
    again = replace(PLAN, tags={"model-uri": "models:/iris/2"})
    assert (again.model_name, again.config_name) == (PLAN.model_name, PLAN.config_name)


@pytest.mark.parametrize("change", [{"archive_uri": "s3://b/b.tar.gz"}, {"image": "image:2"}, {"role": "arn:other"}])
def test_another_archive_image_or_role_is_another_model(change: Any) -> None:
    other = replace(PLAN, **change)
    assert other.model_name != PLAN.model_name
    assert other.config_name != PLAN.config_name


@pytest.mark.parametrize("change", [{"instance_type": "ml.m5.xlarge"}, {"instance_count": 2}])
def test_other_instances_are_another_configuration_of_the_same_model(change: Any) -> None:
    other = replace(PLAN, **change)
    assert other.model_name == PLAN.model_name
    assert other.config_name != PLAN.config_name


@pytest.mark.parametrize("length", [1, 51, 52, 53, 63])
def test_every_name_fits_into_63_characters_and_belongs_to_its_endpoint(length: int) -> None:
    long = replace(PLAN, endpoint="e" * length)
    for name in (long.model_name, long.config_name):
        assert len(name) <= 63
        plan.check_name(name)
        assert plan.is_named_for(long.endpoint, name)


def test_a_neighbour_s_names_are_not_taken_for_one_s_own() -> None:
    assert not plan.is_named_for("mlflow-staging-iris", replace(PLAN, endpoint="mlflow-staging-iris-2").model_name)
    assert not plan.is_named_for("mlflow-staging-iris-2", PLAN.model_name)
    first, second = "e" * 60 + "one", "e" * 60 + "two"
    assert not plan.is_named_for(first, replace(PLAN, endpoint=second).config_name)


def test_an_endpoint_is_called_after_its_model(environment: Environment) -> None:
    assert plan.default_name(environment, "iris", "models:/iris/1") == "mlflow-staging-iris"
    assert plan.default_name(environment, "my_model.v2", "models:/x/1") == "mlflow-staging-my-model-v2"


@pytest.mark.parametrize("name", [None, "a" * 60])
def test_a_model_that_gives_no_name_needs_one_on_the_command_line(environment: Environment, name: str | None) -> None:
    with pytest.raises(InputError, match="add --endpoint NAME"):
        plan.default_name(environment, name, "s3://b/m")


@pytest.mark.parametrize("name", ["a_b", "-a", "a-", "a" * 64, "", "ä"])
def test_a_name_that_aws_refuses_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="cannot name an endpoint"):
        plan.check_name(name)


def test_archives_lie_where_the_endpoints_role_may_read(environment: Environment) -> None:
    below = replace(environment, artifact_store="s3://bucket/team")
    assert plan.archive_uri(below, "e", "ab" * 32) == "s3://bucket/team/endpoints/e/abababababababab/model.tar.gz"


def test_tags_say_what_is_known_and_no_more(environment: Environment) -> None:
    assert plan.tags(environment, Model("s3://b/m", "s3://b/m")) == {
        "project": "mlflow",
        "environment": "staging",
        "model-uri": "s3://b/m",
    }
