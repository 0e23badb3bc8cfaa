"""Finds the policies in a plan, by the types of resources that have policies."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Values = dict[str, Any]
Document = dict[str, Any]
# Resources that attach a policy to another resource, and the argument that names that resource.
ON_RESOURCES = {
    "aws_s3_bucket_policy": ("bucket", "aws_s3_bucket", "arn:aws:s3:::{}"),
    "aws_sns_topic_policy": ("arn", "aws_sns_topic", "arn:aws:sns:{region}:{account}:{}"),
    "aws_sqs_queue_policy": ("queue_url", "aws_sqs_queue", "arn:aws:sqs:{region}:{account}:{}"),
    "aws_sagemaker_model_package_group_policy": (
        "model_package_group_name",
        "aws_sagemaker_model_package_group",
        "arn:aws:sagemaker:{region}:{account}:model-package-group/{}",
    ),
    "aws_ecr_repository_policy": ("repository", "aws_ecr_repository", "arn:aws:ecr:{region}:{account}:repository/{}"),
}
NAMES = ("name", "bucket", "tracking_server_name")


@dataclass
class Role:
    """A role: its trust policy and its permissions. `inline` by policy name, `attached` by policy ARN."""

    name: str
    arn: str
    trust: Document
    inline: dict[str, Document] = field(default_factory=dict)
    boundary: str | None = None


@dataclass(eq=False)
class Rendered:
    """All policies of one plan. Nobody changes it once it is read, so that what follows from it can be cached.

    Attributes:
        managed: the managed policies, by name.
        resources: the policies of resources, by the resource's ARN.
        known: the addresses of policies whose content is known in this plan.
        unknown: the addresses of policies whose content is known only after apply.
        names: the name of a resource of each kind.
        key: the ARN of the artifacts' key, if there is one.
    """

    account: str
    region: str
    roles: dict[str, Role] = field(default_factory=dict)
    managed: dict[str, Document] = field(default_factory=dict)
    resources: dict[str, Document] = field(default_factory=dict)
    known: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    key: str | None = None

    def documents(self) -> dict[str, Document]:
        """Every policy by a unique name, such as `role mlflow-staging-mlflow-role/MLflowBasicAccess`."""
        found: dict[str, Document] = {}
        for role in self.roles.values():
            found[f"role {role.name}/trust"] = role.trust
            found |= {f"role {role.name}/{name}": document for name, document in role.inline.items()}
        found |= {f"policy {name}": document for name, document in self.managed.items()}
        return found | {f"resource {arn}": document for arn, document in self.resources.items()}


def rendered(plan: Mapping[str, Any], *, account: str, region: str) -> Rendered:
    """Read `terraform show -json` of a plan.

    A value that is unknown in the plan (a role's id, a key's ARN) is resolved to the resource that it refers to.
    """
    found = Rendered(account, region)
    resources = {item["address"]: item for item in _resources(plan["planned_values"]["root_module"])}
    references = dict(_references(plan["configuration"]["root_module"]))
    for address, item in resources.items():
        if item["mode"] == "managed" and item["type"] == "aws_iam_role":
            values = item["values"]
            found.roles[address] = Role(
                name=values["name"],
                arn=f"arn:aws:iam::{account}:role/{values['name']}",
                trust=json.loads(values["assume_role_policy"]),
                boundary=values.get("permissions_boundary"),
            )
    by_name = {role.name: role for role in found.roles.values()}
    for address, item in resources.items():
        if item["mode"] != "managed":
            continue
        kind, values = item["type"], item.get("values", {})
        named = next((values[name] for name in NAMES if isinstance(values.get(name), str)), None)
        if named:
            found.names[kind] = named
        policy = values.get("policy") or values.get("resource_policy")
        if kind == "aws_iam_role_policy":
            role = _target(item, "role", "aws_iam_role", resources, references)
            _put(found, address, by_name[role].inline, values["name"], policy)
        elif kind == "aws_iam_policy":
            _put(found, address, found.managed, values["name"], policy)
        elif kind == "aws_kms_key":
            arn = values.get("arn") or f"arn:aws:kms:{region}:{account}:key/planned-{item['name']}"
            if item["name"] == "artifacts":
                found.key = arn
            _put(found, address, found.resources, arn, policy)
        elif kind == "aws_s3_bucket_server_side_encryption_configuration":
            found.key = found.key or _encrypting_key(values)
        elif kind == "aws_sqs_queue" and policy:
            _put(found, address, found.resources, f"arn:aws:sqs:{region}:{account}:{values['name']}", policy)
        elif kind == "aws_vpc_endpoint":
            _put(found, address, found.resources, endpoint(item["name"], account=account, region=region), policy)
        elif kind in ON_RESOURCES:
            argument, target, arn = ON_RESOURCES[kind]
            name = _target(item, argument, target, resources, references)
            _put(found, address, found.resources, arn.format(name, region=region, account=account), policy)
    found.roles = by_name
    return found


def endpoint(name: str, *, account: str, region: str) -> str:
    """A placeholder for the ARN of a VPC endpoint, which AWS generates, by the resource's name in its module."""
    return f"arn:aws:ec2:{region}:{account}:vpc-endpoint/planned-{name}"


def _encrypting_key(values: Values) -> str | None:
    defaults = [given for rule in values["rule"] for given in rule["apply_server_side_encryption_by_default"]]
    return next((given["kms_master_key_id"] for given in defaults if given.get("kms_master_key_id")), None)


def _put(found: Rendered, address: str, where: dict[str, Document], name: str, policy: str | None) -> None:
    if policy is None:
        found.unknown.append(address)
    else:
        found.known.append(address)
        where[name] = json.loads(policy)


def _target(
    item: Values,
    argument: str,
    kind: str,
    resources: Mapping[str, Values],
    references: Mapping[str, dict[str, list[str]]],
) -> str:
    """The name of the resource to which an argument refers."""
    given, address = item.get("values", {}).get(argument), _plain(item["address"])
    if isinstance(given, str):
        return given.rsplit("/", 1)[-1].rsplit(":", 1)[-1]
    module = address.removesuffix(f"{item['type']}.{item['name']}")
    wanted = {f"{module}{_plain(reference)}" for reference in references[address][argument]}
    for other in resources.values():
        if other["type"] == kind and _plain(other["address"]) in wanted:
            return next(str(other["values"][name]) for name in NAMES if other["values"].get(name))
    raise LookupError(f"{item['address']}: cannot resolve the {kind} to which its {argument} refers")


def _plain(address: str) -> str:
    """An address without the keys of `count` and `for_each`."""
    kept, depth = [], 0
    for sign in address:
        depth += sign == "["
        if not depth:
            kept.append(sign)
        depth -= sign == "]"
    return "".join(kept)


def _resources(module: Values) -> Iterator[Values]:
    yield from module.get("resources", [])
    for child in module.get("child_modules", []):
        yield from _resources(child)


def _references(module: Values, prefix: str = "") -> Iterator[tuple[str, dict[str, list[str]]]]:
    """The references of each argument of each resource, by the resource's address without keys."""
    for item in module.get("resources", []):
        expressions = item.get("expressions", {})
        yield (
            prefix + item["address"],
            {
                name: given.get("references", [])
                for name, given in expressions.items()
                if isinstance(given, dict) and "references" in given
            },
        )
    for name, call in module.get("module_calls", {}).items():
        yield from _references(call["module"], f"{prefix}module.{name}.")
