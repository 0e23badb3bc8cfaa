"""Where a model runs: serverless capacity, a VPC, and the key of the instances' volumes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlflow_common.errors import InputError
from mlflow_common.key_values import parse_key_values

# MemorySizeInMB and MaxConcurrency (SageMaker API, ProductionVariantServerlessConfig).
_SIZES = range(1024, 6145, 1024)
_MOST_CONCURRENT = 200
_CONCURRENT = 5
# Tags of this platform, which other parts read, and those that AWS reserves.
RESERVED = {"project", "environment", "model-uri", "model-name", "model-version", "model-package", "run-id", "purpose"}
# SnsTopicArn (SageMaker API).
_TOPIC = re.compile(r"arn:aws[a-z-]*:sns:[a-z0-9-]*:[0-9]{12}:[a-zA-Z0-9_.-]+")
# As the module's input `endpoint_vpc` takes them, and the most of each (SageMaker API, VpcConfig).
_SUBNET, _GROUP = re.compile(r"subnet-[0-9a-f]+"), re.compile(r"sg-[0-9a-f]+")
_MOST_SUBNETS, _MOST_GROUPS = 16, 5
# The forms of KmsKeyId (SageMaker API, CreateEndpointConfig). The ID of a multi-Region key begins with mrk-.
_KEY_ID = r"(?:[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|mrk-[0-9a-f]{32})"
_KMS_KEY = re.compile(
    rf"(?:{_KEY_ID}|alias/[a-zA-Z0-9/_-]+|arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{{12}}:(?:key/{_KEY_ID}|alias/[a-zA-Z0-9/_-]+))"
)
# TagKey and TagValue (SageMaker API).
_KEY = re.compile(r"[\w .:/=+@-]{1,128}")
_VALUE = re.compile(r"[\w .:/=+@-]{0,256}")


@dataclass(frozen=True)
class Serverless:
    """Serverless capacity: memory in MB, and how many requests are answered at the same time."""

    memory: int
    concurrency: int = _CONCURRENT


@dataclass(frozen=True)
class Asynchronous:
    """An asynchronous endpoint: where its results go (S3 URIs of folders), and which topic is notified of them.

    `topic` is the ARN of an SNS topic. `concurrency` is how many requests an instance processes at the same time; AWS
    chooses it where it is None.
    """

    output: str
    failure: str
    topic: str | None = None
    concurrency: int | None = None


@dataclass(frozen=True)
class Network:
    """The subnets and security groups of a model's containers."""

    subnets: tuple[str, ...]
    security_groups: tuple[str, ...]


def check_async(*, wanted: bool, topic: str | None, concurrency: int | None, given: Mapping[str, bool]) -> None:
    """Check the options of an asynchronous endpoint.

    Sources: AsyncInferenceConfig (SageMaker API) has one production variant, and
    docs.aws.amazon.com/sagemaker/latest/dg/shadow-tests-exclusions.html.

    Args:
        given: options that such endpoints do not have, and whether each was given.

    Raises:
        InputError: one was given, or an option of such endpoints was given without --async.
    """
    if topic is not None and not _TOPIC.fullmatch(topic):
        raise InputError(f"--notify takes the ARN of an SNS topic, not {topic!r}.")
    if wanted:
        refused = [option for option, is_given in given.items() if is_given]
        if refused:
            raise InputError(f"asynchronous endpoints have no {', '.join(refused)}. Leave it out.")
    elif topic is not None or concurrency is not None:
        option = "--notify" if topic is not None else "--concurrency"
        raise InputError(f"{option} is for asynchronous endpoints. Add --async, or leave it out.")


def parse_serverless(text: str | None) -> Serverless | None:
    """Read MEMORY or MEMORY:CONCURRENCY.

    Raises:
        InputError: it is not of this form, or AWS has no such size.
    """
    if text is None:
        return None
    memory, _, concurrency = text.partition(":")
    try:
        found = Serverless(int(memory), int(concurrency) if concurrency else _CONCURRENT)
    except ValueError:
        raise InputError(f"--serverless takes MEMORY or MEMORY:CONCURRENCY, such as 2048:5, not {text!r}.") from None
    if found.memory not in _SIZES:
        raise InputError(f"--serverless {found.memory}: AWS takes {', '.join(map(str, _SIZES))} MB.")
    if not 1 <= found.concurrency <= _MOST_CONCURRENT:
        raise InputError(f"--serverless …:{found.concurrency}: AWS takes a concurrency from 1 to {_MOST_CONCURRENT}.")
    return found


def parse_network(subnets: Sequence[str], groups: Sequence[str]) -> Network | None:
    """The network of these subnets and security groups; None without any.

    Raises:
        InputError: there are only subnets or only security groups, too many of them, or something else.
    """
    for option, given, form, most in (
        ("--subnet", subnets, _SUBNET, _MOST_SUBNETS),
        ("--security-group", groups, _GROUP, _MOST_GROUPS),
    ):
        wrong = next((text for text in given if not form.fullmatch(text)), None)
        if wrong is not None:
            raise InputError(
                f"{option} takes an ID such as {form.pattern.partition('-')[0]}-0123456789abcdef0, not {wrong!r}."
            )
        if len(given) > most:
            raise InputError(f"{option} is given {len(given)} times, and AWS takes at most {most}. Leave some out.")
    if bool(subnets) != bool(groups):
        raise InputError("--subnet and --security-group go together. Give at least one of each.")
    return Network(tuple(subnets), tuple(groups)) if subnets else None


def check_key(key: str | None) -> None:
    """Check the form of a key's name.

    Raises:
        InputError: AWS has no such name of a key.
    """
    if key is not None and not _KMS_KEY.fullmatch(key):
        raise InputError(f"--kms-key takes the ID or the ARN of a key, or alias/NAME, not {key!r}.")


def parse_tags(pairs: Sequence[str]) -> Mapping[str, str]:
    """Read tags that are given as KEY=VALUE.

    Raises:
        InputError: one is not of this form, or has a key that this platform or AWS uses.
    """
    tags = parse_key_values(pairs, "--tag")
    for key, value in tags.items():
        if not (_KEY.fullmatch(key) and _VALUE.fullmatch(value)):
            raise InputError(
                f"--tag {key}={value}: AWS takes keys of at most 128 and values of at most 256 letters, digits, "
                "spaces and _ . : / = + - @."
            )
        if key in RESERVED or key.lower().startswith("aws:"):
            raise InputError(f"--tag {key}: this key is reserved. Choose another one.")
    return tags


def check_combination(serverless: Serverless | None, given: Mapping[str, bool]) -> None:
    """Check that serverless capacity is not combined with what excludes it.

    Source: docs.aws.amazon.com/sagemaker/latest/dg/serverless-endpoints.html, "Feature exclusions".

    Args:
        given: options that serverless endpoints do not have, and whether each was given.

    Raises:
        InputError: one was given.
    """
    refused = [option for option, wanted in given.items() if wanted]
    if serverless and refused:
        raise InputError(f"serverless endpoints have no {', '.join(refused)}. Leave it out, or use instances.")
