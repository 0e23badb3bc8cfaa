"""Wrong inputs of the other modules than mlflow: each with the message that says what to write instead."""

from typing import Any

ACCOUNT = "123456789012"
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/11111111-2222-3333-4444-555555555555"
ABROAD = KEY.replace("us-east-1", "eu-west-1")
POLICY = "arn:aws:iam::111122223333:policy/boundary"
IMAGE = f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/churn-dev-serving:1"
NETWORK = {"vpc_id": "vpc-0123456789abcdef0", "subnet_ids": ["subnet-0123456789abcdef0"]}
GROUPS = {"security_group_ids": ["sg-0123456789abcdef0"]}
Cases = dict[str, tuple[dict[str, Any], str]]


def delivery(branch: str = "main", **given: Any) -> dict[str, Any]:
    """The input `delivery` with these attributes."""
    source = {"codecommit_repository": "models", "branch": branch}
    return {"delivery": {"source": source, "model_name": "iris", "image_uri": "training:1"} | given}


def monitoring(**given: Any) -> dict[str, Any]:
    """The input `monitoring` with these attributes, and the tracking server that it needs."""
    server = {"name": "churn-dev-3-0", "mlflow_version": "3.0"}
    return {"monitoring": {"image_uri": IMAGE} | given, "tracking_server": server}


def studio(**given: Any) -> dict[str, Any]:
    """The input `studio` with these attributes."""
    return {"studio": NETWORK | GROUPS | {"user_profiles": {}} | given}


def environment(**given: Any) -> dict[str, Any]:
    """The input `environments` with one environment of these attributes."""
    return {"environments": {"dev": given}}


DELIVERY: Cases = {
    "a machine by its size alone": (
        delivery(compute_type="SMALL"),
        "delivery.compute_type must be a size of CodeBuild",
    ),
    "a branch by its reference": (delivery("refs/heads/main"), "delivery.source.branch must be the name of one branch"),
    "a branch with two periods": (delivery("a..b"), "delivery.source.branch must be the name of one branch"),
    "a branch that is an option": (delivery("-x"), "delivery.source.branch must be the name of one branch"),
    "a repository with .git": (
        delivery(source={"codecommit_repository": "models.git"}),
        "delivery.source.codecommit_repository must be the name of a CodeCommit repository",
    ),
    "an endpoint of 64 characters": (
        delivery(model_name="a" * 54),
        "delivery.model_name makes the name of the endpoint longer than 63 characters",
    ),
    "no model": (delivery(model_name=None), "delivery.model_name must have letters, digits and hyphens only"),
    "no source": (delivery(source=None), "delivery.source must have either connection_arn and repository, or"),
    "a buildspec outside the repository": (
        delivery(train_buildspec="a/../../x.yml"),
        "delivery.train_buildspec and deploy_buildspec must be YAML files",
    ),
    "an index with quotes": (
        delivery(package_index_url='https://packages.example.com/"'),
        "delivery.package_index_url must be an https address",
    ),
    "a delivery's boundary of another account": (
        {"permissions_boundary_arn": POLICY},
        f'must be the ARN of a policy of this account, such as "arn:aws:iam::{ACCOUNT}:policy/boundary"',
    ),
}
GITHUB: Cases = {
    "a repository on GitHub with .git": ({"repository": "acme/models.git"}, 'repository is "acme/models.git": write'),
    "a branch of GitHub by its reference": ({"branch": "refs/heads/main"}, "branch must be one branch, such as"),
    "an environment that is null": ({"environments": {"dev": None}}, "and its values must not be null, as in"),
    "a state in the folder above": (environment(state_key="../x.tfstate"), "state_key in environments must be one key"),
    "a client role of Identity Center": (
        environment(client_role_names=["AWSReservedSSO_Analyst"]),
        "and not of IAM Identity Center or of a service",
    ),
}
PIPELINE: Cases = {
    "jobs in a store with a policy variable": (
        {"artifact_store_uri": "s3://data-lake/${aws:username}"},
        'artifact_store_uri must look like "s3://bucket"',
    ),
    "jobs with a key of another partition": (
        {"kms_key_arn": KEY.replace("arn:aws:", "arn:aws-cn:")},
        "kms_key_arn must be the key's ARN",
    ),
}
PRIVATE_ACCESS: Cases = {
    "no range": ({"allowed_cidr_blocks": {"notebooks": None}}, "allowed_cidr_blocks must map names to IPv4 ranges"),
    "a server of another partition": (
        {"tracking_server_arns": [f"arn:aws-cn:sagemaker:us-east-1:{ACCOUNT}:mlflow-tracking-server/a"]},
        "tracking_server_arns must be ARNs of tracking servers",
    ),
}
SERVING: Cases = {
    "a monitoring image of another region": (
        monitoring(image_uri=IMAGE.replace("us-east-1", "eu-west-1")),
        "monitoring.image_uri must be an image in ECR of this account and region",
    ),
    "monitoring on a day that does not exist": (
        monitoring(schedule_expression="cron(15 * 32 * ? *)"),
        "monitoring.schedule_expression must be a rate expression",
    ),
    "monitoring in a time zone that does not exist": (
        monitoring(timezone="Europe/Munich"),
        "monitoring.timezone must be a name of the IANA time zone database",
    ),
    "half a gigabyte": (monitoring(volume_size_gb=1.5), "monitoring.timeout_minutes must be a whole number from 1 to"),
    "an argument with a line break": (
        monitoring(arguments=["--threshold\naccuracy=0.9"]),
        "monitoring.timeout_minutes must be a whole number from 1 to",
    ),
    "17 subnets of endpoints": (
        {"endpoint_vpc": GROUPS | {"subnet_ids": [f"subnet-{n}" for n in range(17)]}},
        "endpoint_vpc must name 2 to 16 subnets in different availability zones",
    ),
    "one subnet twice": (
        {"endpoint_vpc": GROUPS | {"subnet_ids": ["subnet-0", "subnet-0"]}},
        "endpoint_vpc must name 2 to 16 subnets in different availability zones",
    ),
    "image builds through six security groups": (
        {"image_build": {"vpc": NETWORK | {"security_group_ids": [f"sg-{n}" for n in range(6)]}}},
        "image_build.vpc must name a VPC, 1 to 16 subnets and 1 to 5 security groups",
    ),
    "more pushers than a trust policy holds": (
        {"image_pusher_principal_arns": [f"arn:aws:iam::{ACCOUNT}:user/pusher-{n}" for n in range(200)]},
        "image_pusher_principal_arns has 200 ARNs, which make a trust policy of more than 8,192 characters",
    ),
    "a model without readers": (
        {"model_package_readers": {"iris": None}},
        "model_package_readers must name at least one account for each model",
    ),
}
STATE: Cases = {
    "states in a bucket with a reserved name": (
        {"bucket_name": "sthree-states"},
        'and S3 reserves names that begin with "amzn-s3-demo-"',
    ),
    "states in the folder above": ({"state_keys": {"dev": "../x.tfstate"}}, "Every key of state_keys must end in"),
    "states with a key of another region": (
        {"kms_key_id": ABROAD},
        "kms_key_id must be the ARN of a key in the bucket's region",
    ),
    # With the longest tags, and a bucket name that is not reserved: S3 reserves "xn--".
    "states kept for ever": (
        {"old_versions_kept_days": 1e12, "bucket_name": "xn-states", "tags": {"k" * 128: "v" * 256}},
        "old_versions_kept_days must be a whole number of days",
    ),
}
STUDIO: Cases = {
    "homes with a key of another region": (
        studio(kms_key_arn=ABROAD),
        "studio.kms_key_arn must be the ARN of a key in this region",
    ),
    "no users": (studio(user_profiles=None), "studio.user_profiles has a name that AWS does not allow"),
    "no subnets": (studio(subnet_ids=None), "studio needs ids, not names"),
}
OTHER_MODULES = {
    "delivery": DELIVERY,
    "github": GITHUB,
    "pipeline": PIPELINE,
    "private-access": PRIVATE_ACCESS,
    "serving": SERVING,
    "state": STATE,
    "studio": STUDIO,
}
