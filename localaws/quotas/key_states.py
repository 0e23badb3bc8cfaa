"""What KMS, and services that use a key for the caller, refuse because of the key's state.

Source: https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html (the table with its numbered details).
S3 answers with `KMS.` and the exception: https://github.com/localstack/localstack/issues/8422 and
https://github.com/localstack/localstack/pull/8423, which compared it with AWS.
"""

from typing import Any

from localaws.call import Call, current_call
from localaws.errors import AwsError

DISABLED, PENDING = "Disabled", "PendingDeletion"
# Operations that a disabled key refuses. A key that is pending deletion refuses them, too.
_USES = frozenset(
    {"CreateGrant", "Decrypt", "EnableKeyRotation", "DisableKeyRotation", "Encrypt", "GenerateDataKey", "GenerateMac"}
    | {"GenerateDataKeyWithoutPlaintext", "GetPublicKey", "ReEncrypt", "RotateKeyOnDemand", "Sign", "Verify"}
    | {"VerifyMac"}
)
_CHANGES = frozenset(
    {"CreateAlias", "DisableKey", "EnableKey", "ScheduleKeyDeletion", "TagResource", "UntagResource"}
    | {"UpdateAlias", "UpdateKeyDescription"}
)
# The members of requests that name the key.
_NAMES = ("KeyId", "TargetKeyId", "DestinationKeyId")


def check(backend: Any, operation: str, given: dict[str, Any]) -> None:
    """Refuse an operation of KMS that the state of its key does not allow. moto returns the error for a missing key.

    Raises:
        AwsError: DisabledException or KMSInvalidStateException.
    """
    for key in _keys(backend, given):
        if operation == "CancelKeyDeletion" and key.key_state != PENDING:
            raise AwsError("KMSInvalidStateException", f"{key.arn} is not pending deletion.")
        if operation in _USES | _CHANGES and key.key_state == PENDING:
            raise AwsError("KMSInvalidStateException", f"{key.arn} is pending deletion.")
        if operation in _USES and key.key_state == DISABLED:
            raise AwsError("DisabledException", f"{key.arn} is disabled.")


def check_objects() -> None:
    """Refuse the current call of S3 if a key of its objects cannot be used. Keys of other accounts count as usable.

    Raises:
        AwsError: KMS.DisabledException, KMS.KMSInvalidStateException or KMS.NotFoundException.
    """
    for permission in current_call.get(Call("", "", "", "", {}, None)).permissions:
        parts = permission.resource.split(":", 5)
        if len(parts) < 6 or parts[2] != "kms" or parts[4] != permission.context.get("kms:CallerAccount"):
            continue
        key = _backend(parts[4], parts[3]).keys.get(parts[5].removeprefix("key/"))
        if key is None:
            raise AwsError("KMS.NotFoundException", f"Key '{permission.resource}' does not exist")
        if key.key_state == PENDING:
            raise AwsError("KMS.KMSInvalidStateException", f"{key.arn} is pending deletion.")
        if key.key_state == DISABLED:
            raise AwsError("KMS.DisabledException", f"{key.arn} is disabled.")


def _backend(account: str, region: str) -> Any:
    from moto.kms.models import kms_backends

    return kms_backends[account][region]


def _keys(backend: Any, given: dict[str, Any]) -> list[Any]:
    """The keys that a request names, and the one that a ciphertext was encrypted with."""
    names = [given[name] for name in _NAMES if given.get(name)]
    ciphertext = given.get("CiphertextBlob")
    if ciphertext:
        # moto's ciphertext begins with the key's id.
        names.append(bytes(ciphertext)[:36].decode(errors="replace"))
    found = [backend.keys.get(_id(backend, name)) for name in names]
    return [key for key in found if key is not None]


def _id(backend: Any, name: str) -> str:
    alias = backend.get_alias_name(name)
    return str(backend.get_key_id_from_alias(alias) if alias.startswith("alias/") else backend.get_key_id(name))
