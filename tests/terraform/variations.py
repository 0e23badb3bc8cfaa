"""All roots and examples, some with other inputs, planned in three groups.

A plan takes five seconds of processor time before it has a resource. A variation of a root of the tests then takes one
and a half, because the root is called with `for_each`, and its configuration is read once. Other roots configure the
provider themselves, which Terraform refuses together with `for_each`: a call of its own takes three seconds.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ACCOUNT = "123456789012"
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/11111111-2222-3333-4444-555555555555"
FORMER_KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/22222222-3333-4444-5555-666666666666"
DESTINATION_KEY = "arn:aws:kms:us-east-1:210987654321:key/33333333-4444-5555-6666-777777777777"
COPY_KEY = "arn:aws:kms:eu-west-1:210987654321:key/44444444-5555-6666-7777-888888888888"
CONNECTION = f"arn:aws:codeconnections:us-east-1:{ACCOUNT}:connection/11111111-2222-3333-4444-555555555555"
REPOSITORY = f"arn:aws:codecommit:us-east-1:{ACCOUNT}:models"
EXISTING = {"create_s3_bucket": False, "artifact_store_uri": "s3://data-lake/mlflow/churn", "kms_key_id": KEY}
ADMINISTRATORS = [f"arn:aws:iam::{ACCOUNT}:role/key-admin", f"arn:aws:iam::{ACCOUNT}:user/localaws"]
STATES = f"terraform-states-{ACCOUNT}"
STATE_ADMINISTRATORS = [f"arn:aws:iam::{ACCOUNT}:role/administrator", f"arn:aws:iam::{ACCOUNT}:user/localaws"]
OURS = {"allowed_account_ids": [ACCOUNT]}
AT_NOON = "cron(30 12 ? * MON-FRI *)"
HOURS = {"start": "cron(0 8 ? * MON-FRI *)", "stop": "cron(0 20 ? * MON-FRI *)"}

# Roots of the tests (tests/terraform/roots.py), which have one input, `inputs`.
ROOTS = ("any", "github")
# `make test` plans none of them.
EXAMPLES = ("basic", "existing-bucket", "many-teams", "readmes")


@dataclass(frozen=True)
class Variation:
    """A root or example, and its inputs in addition to terraform.tfvars.

    Attributes:
        key: the address of a key to import, so that the plan knows the policies that contain its ARN.
    """

    root: str
    variables: dict[str, Any] = field(default_factory=dict)
    key: str | None = None


def inputs(**given: Any) -> Variation:
    """The mlflow module with these inputs."""
    return Variation("any", {"inputs": given})


VARIATIONS = {
    "staging": Variation("staging", OURS),
    "staging_hardened": inputs(
        project_name="mlflow",
        environment="staging",
        bucket_name_suffix="zali-staging",
        schedule=HOURS,
        notifications={},
        training_pipeline={},
        harden_server_role=True,
        kms={"former_key_arns": [FORMER_KEY]},
    ),
    "prod": Variation("prod", OURS),
    "state": Variation("state", OURS | {"bucket_name": STATES, "administrator_arns": STATE_ADMINISTRATORS}),
    "basic": Variation("basic"),
    "existing-bucket": Variation("existing-bucket"),
    "enhanced-security": Variation("enhanced-security"),
    "many-teams": Variation("many-teams"),
    "private-access": Variation("private-access"),
    "readmes": Variation("readmes"),
    "existing_bucket": inputs(**EXISTING, backup={}, harden_server_role=True, readers_may_open_ui=False),
    "app": inputs(
        bucket_name_suffix="app",
        backend="serverless",
        kms={"create": True, "administrator_arns": ADMINISTRATORS},
        notifications={},
        create_dashboard=True,
        training_pipeline={},
        data_events={"bucket": "acme-trails", "reads": True},
    ),
    # 50 characters, the most that the endpoints' role leaves; every supported version; a prefix in an existing bucket.
    "longest_names": inputs(
        project_name="an-unusually-long-name-of-a-project",
        environment="pre-production",
        mlflow_version="3.0",
        retained_mlflow_versions=["2.13", "2.16"],
        create_s3_bucket=False,
        artifact_store_uri=f"s3://{'b' * 63}/a-prefix/of-some/length",
        kms_key_id=KEY,
        kms={"former_key_arns": [FORMER_KEY]},
    ),
    # All options with an existing key, so that the plan knows the policies that name the key.
    "keyed": inputs(
        bucket_name_suffix="keyed",
        kms_key_id=KEY,
        kms={"former_key_arns": [FORMER_KEY]},
        schedule=HOURS,
        notifications={"emails": ["team@example.com"]},
        monthly_budget_usd=500,
        create_dashboard=True,
        backup={"schedule_expression": AT_NOON},
        access_logs={"bucket": "logs"},
        data_events={"bucket": "acme-trails", "prefix": "mlflow/dev"},
        cors_allowed_origins=["https://d-abcdefghijkl.studio.us-east-1.sagemaker.aws"],
        additional_role_policies={"lineage": f"arn:aws:iam::{ACCOUNT}:policy/lineage"},
        writer_role_names=["data-scientists"],
        deletion_protected_from_role_names=["terraform"],
        tracking_server_name_override={"2.16": "by-hand"},
        verify_client_roles=False,
        harden_server_role=True,
    ),
    # The job without internet, archives in another account's bucket, retention, replication, a limit of instance types.
    "isolated": inputs(
        bucket_name_suffix="isolated",
        kms_key_id=KEY,
        backup={
            "destination_uri": "s3://acme-backups/mlflow",
            "destination_kms_key_arn": DESTINATION_KEY,
            "package_index_url": "https://packages.example.com/simple",
            "vpc": {
                "vpc_id": "vpc-0123456789abcdef0",
                "subnet_ids": ["subnet-0123456789abcdef0"],
                "security_group_ids": ["sg-0123456789abcdef0"],
            },
        },
        image_build={
            "package_index_url": "https://packages.example.com/simple",
            "vpc": {
                "vpc_id": "vpc-0123456789abcdef0",
                "subnet_ids": ["subnet-0123456789abcdef0"],
                "security_group_ids": ["sg-0123456789abcdef0"],
            },
        },
        image_pusher_principal_arns=[f"arn:aws:iam::{ACCOUNT}:role/ci"],
        object_lock={"mode": "GOVERNANCE", "days": 30},
        replication={
            "bucket_arn": "arn:aws:s3:::acme-copies",
            "account_id": "210987654321",
            "kms_key_arn": COPY_KEY,
        },
        allowed_instance_types=["ml.m5.large", "ml.c7i.*"],
        endpoint_vpc={
            "subnet_ids": ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"],
            "security_group_ids": ["sg-0123456789abcdef0"],
        },
        model_package_readers={"iris": ["210987654321"]},
        async_topic_arns=[f"arn:aws:sns:us-east-1:{ACCOUNT}:results"],
        monitoring={"image_uri": f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/churn-dev-serving:1a2b"},
        training_pipeline={"image_repositories": ["training"]},
        studio={
            "vpc_id": "vpc-0123456789abcdef0",
            "subnet_ids": ["subnet-0123456789abcdef0"],
            "security_group_ids": ["sg-0123456789abcdef0"],
            "user_profiles": {"ana": "writer", "ben": "reader"},
            "kms_key_arn": KEY,
        },
        notifications={"topic_arn": f"arn:aws:sns:us-east-1:{ACCOUNT}:alerts"},
        delivery={
            "source": {"connection_arn": CONNECTION, "repository": "acme/models"},
            "model_name": "iris",
            "image_uri": f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/training:1",
        },
        writer_role_names=["data-scientists"],
        verify_client_roles=False,
    ),
    # Everything that has a role, with a path and a prefix.
    "prefixed": inputs(
        bucket_name_suffix="prefixed",
        iam_path="/ml/platform/",
        global_name_prefix="euw1-",
        kms_key_id=KEY,
        schedule=HOURS,
        notifications={"emails": ["team@example.com"]},
        monthly_budget_usd=500,
        create_dashboard=True,
        backup={"schedule_expression": AT_NOON, "destination_uri": "s3://acme-backups/mlflow"},
        replication={"bucket_arn": "arn:aws:s3:::acme-copies", "kms_key_arn": COPY_KEY},
        image_build={},
        image_pusher_principal_arns=[f"arn:aws:iam::{ACCOUNT}:role/ci"],
        monitoring={"image_uri": f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/churn-dev-serving:1a2b"},
        training_pipeline={},
        studio={
            "vpc_id": "vpc-0123456789abcdef0",
            "subnet_ids": ["subnet-0123456789abcdef0"],
            "security_group_ids": ["sg-0123456789abcdef0"],
            "user_profiles": {"ana": "writer"},
        },
        delivery={"source": {"codecommit_repository": "models"}, "model_name": "iris", "image_uri": "training:1"},
    ),
    "permissive": inputs(
        bucket_name_suffix="permissive",
        kms={"key_id": KEY, "allow_aws_managed_key": True},
        dangerously_delete_data_on_destroy=True,
        training_pipeline={},
        delivery={
            "source": {"codecommit_repository": "models"},
            "model_name": "iris",
            "image_uri": "training:1",
            "package_index_url": "https://packages.example.com/simple",
        },
    ),
    # All options of prod: docs/security.md shows these policies.
    "prod_in_full": Variation(
        "prod",
        OURS
        | {"backup": {"schedule_expression": AT_NOON}, "schedule": HOURS | {"start": "cron(0 7 ? * MON-FRI *)"}}
        | {
            "kms": {"former_key_arns": [FORMER_KEY]},
            "harden_server_role": True,
            "weekly_maintenance_window_start": None,
        },
        key="module.platform.module.mlflow.aws_kms_key.artifacts[0]",
    ),
    "github": Variation(
        "github",
        {
            "inputs": {
                "repository": "acme@123456/ml-platform@456789",
                "project_name": "mlflow",
                "state_bucket_name": STATES,
                "state_kms_key_arn": KEY,
                "environments": {
                    "staging": {
                        "client_role_names": ["data-scientists"],
                        "copy_bucket_names": ["acme-backups", "acme-copies"],
                        "delivery_source_arns": [CONNECTION, REPOSITORY],
                    },
                    "prod": {},
                },
            }
        },
    ),
    "github_prefixed": Variation(
        "github",
        {
            "inputs": {
                "repository": "acme/ml-platform",
                "project_name": "mlflow",
                "state_bucket_name": STATES,
                "state_kms_key_arn": None,
                "environments": {"staging": {}},
                "iam_path": "/ml/platform/",
                "global_name_prefix": "euw1-",
            }
        },
    ),
    "deletable_state": Variation(
        "state", OURS | {"bucket_name": STATES, "kms_key_id": KEY, "dangerously_allow_deletion": True}
    ),
}


def group_of(name: str) -> str:
    """The name of the group of a variation."""
    root = VARIATIONS[name].root
    return "variations" if root in ROOTS else "examples" if root in EXAMPLES else "environments"


def group(name: str) -> dict[str, Variation]:
    """The variations of a group, by their names."""
    return {variation: given for variation, given in VARIATIONS.items() if group_of(variation) == name}


def calls_of_roots(variations: Mapping[str, Variation]) -> str:
    """A module block for each of `ROOTS`, which calls it once for each of its variations, and their outputs."""
    return "".join(
        f'module "{root}" {{\nsource = "../{root}"\nfor_each = var.given.{root}\ninputs = each.value\n}}\n'
        f'output "{root}" {{\nvalue = module.{root}\nsensitive = true\n}}\n'
        for root in ROOTS
        if any(one.root == root for one in variations.values())
    )


def given_to_roots(variations: Mapping[str, Variation]) -> dict[str, dict[str, Any]]:
    """The inputs of each variation by its name, by its root of `ROOTS`."""
    return {
        root: {name: one.variables["inputs"] for name, one in variations.items() if one.root == root} for root in ROOTS
    }


def call(name: str, tree: Path, folder: str, variables: Mapping[str, Any]) -> str:
    """A module block, for a root in `tree`, that passes a folder its terraform.tfvars and values of `var.given`.

    All outputs of the module become one output of the root. The values come from a variable, because Terraform reports
    errors in literal arguments before it plans, and then does not plan.
    """
    settings = tree / folder / "terraform.tfvars"
    own = settings.read_text() if settings.exists() else ""
    for variable in variables:
        own = re.sub(rf"^{variable} += .*\n", "", own, flags=re.MULTILINE)
    given = "".join(f"{variable} = var.given.{name}.{variable}\n" for variable in variables)
    output = f'output "{name}" {{\nvalue = module.{name}\nsensitive = true\n}}\n'
    return f'module "{name}" {{\nsource = "../{folder}"\n{own}{given}}}\n{output}'


def part(plan: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The part of a plan about one variation, as if it had been planned alone."""
    root = VARIATIONS[name].root
    shared = root in ROOTS
    called, prefix = (root, f'module.{root}["{name}"].') if shared else (name, f"module.{name}.")
    # False if everything is known.
    after, unknown = (plan["output_changes"][called][key] or {} for key in ("after", "after_unknown"))
    if shared:
        after, unknown = after[name], unknown.get(name) or {}
    configuration = plan["configuration"]["root_module"]["module_calls"][called]["module"]
    [planned] = [
        module for module in plan["planned_values"]["root_module"]["child_modules"] if f"{module['address']}." == prefix
    ]
    return {
        "format_version": plan["format_version"],
        "terraform_version": plan["terraform_version"],
        "planned_values": {"root_module": _without(prefix, planned)},
        "resource_changes": [
            _without(prefix, change) for change in plan["resource_changes"] if change["address"].startswith(prefix)
        ],
        "warnings": [
            problem["message"]
            for check in plan.get("checks", [])
            for instance in check.get("instances", [])
            if instance["address"]["to_display"].startswith(prefix)
            for problem in instance.get("problems", [])
        ],
        "output_changes": {
            key: {"after": after.get(key), "after_unknown": _holds_true(unknown.get(key))}
            for key in configuration.get("outputs", {})
        },
        "configuration": {
            "provider_config": plan["configuration"].get("provider_config", {}),
            "root_module": configuration,
        },
    }


def _holds_true(found: Any) -> bool:
    """Whether any part of this is true: a plan marks each part as known or unknown."""
    if isinstance(found, dict | list):
        return any(_holds_true(one) for one in (found.values() if isinstance(found, dict) else found))
    return bool(found)


def _without(prefix: str, found: Mapping[str, Any]) -> dict[str, Any]:
    """The same with addresses relative to the module."""
    changed = dict(found)
    for key in ("address", "module_address"):
        if key in changed:
            changed[key] = changed[key].removeprefix(prefix)
    for key in ("resources", "child_modules"):
        if key in changed:
            changed[key] = [_without(prefix, inner) for inner in changed[key]]
    return changed
