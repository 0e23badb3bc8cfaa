"""Keys that are disabled or pending deletion: KMS and S3 refuse what AWS's table of key states says."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.refused import code
from tests.support.running import RunningLocalAws

ABSENT = "00000000-0000-0000-0000-000000000000"
BUCKET = "key-states"
Use = Callable[[Any, str, bytes], Any]

USES: dict[str, Use] = {
    "encrypt": lambda kms, key, _: kms.encrypt(KeyId=key, Plaintext=b"x"),
    "decrypt": lambda kms, _, secret: kms.decrypt(CiphertextBlob=secret),
    "generate data key": lambda kms, key, _: kms.generate_data_key(KeyId=key, KeySpec="AES_256"),
    "enable rotation": lambda kms, key, _: kms.enable_key_rotation(KeyId=key),
    "rotate": lambda kms, key, _: kms.rotate_key_on_demand(KeyId=key),
}
CHANGES: dict[str, Use] = {
    "enable": lambda kms, key, _: kms.enable_key(KeyId=key),
    "disable": lambda kms, key, _: kms.disable_key(KeyId=key),
    "schedule": lambda kms, key, _: kms.schedule_key_deletion(KeyId=key),
    "tag": lambda kms, key, _: kms.tag_resource(KeyId=key, Tags=[{"TagKey": "a", "TagValue": "b"}]),
    "alias": lambda kms, key, _: kms.create_alias(TargetKeyId=key, AliasName="alias/key-states"),
}


@pytest.fixture(scope="module")
def kms(localaws: RunningLocalAws) -> Any:
    return localaws.client("kms")


@pytest.fixture(scope="module")
def used(kms: Any) -> tuple[str, bytes]:
    """A key, and what is encrypted with it."""
    key = str(kms.create_key()["KeyMetadata"]["KeyId"])
    return key, kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]


@pytest.mark.parametrize("use", USES)
def test_a_disabled_key_is_not_used(kms: Any, used: tuple[str, bytes], use: str) -> None:
    kms.disable_key(KeyId=used[0])
    assert code(lambda: USES[use](kms, *used)) == "DisabledException"
    kms.enable_key(KeyId=used[0])
    USES[use](kms, *used)


@pytest.mark.parametrize("use", {**USES, **CHANGES})
def test_a_key_that_is_pending_deletion_is_neither_used_nor_changed(
    kms: Any, used: tuple[str, bytes], use: str
) -> None:
    kms.schedule_key_deletion(KeyId=used[0], PendingWindowInDays=7)
    assert code(lambda: {**USES, **CHANGES}[use](kms, *used)) == "KMSInvalidStateException"
    kms.cancel_key_deletion(KeyId=used[0])
    assert code(lambda: kms.cancel_key_deletion(KeyId=used[0])) == "KMSInvalidStateException"
    kms.enable_key(KeyId=used[0])


def test_limits_of_kms(kms: Any, used: tuple[str, bytes]) -> None:
    key, _ = used
    assert code(lambda: kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=6)) == "ValidationException"
    assert code(lambda: kms.create_alias(TargetKeyId=key, AliasName="alias/aws/own")) == "NotAuthorizedException"


def test_s3_uses_only_keys_that_are_enabled(localaws: RunningLocalAws, kms: Any, used: tuple[str, bytes]) -> None:
    s3, (key, _) = localaws.client("s3"), used
    s3.create_bucket(Bucket=BUCKET)
    encrypted = {"Bucket": BUCKET, "ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key}
    s3.put_object(Key="k", Body=b"x", **encrypted)

    def codes() -> set[str]:
        calls = (
            lambda: s3.put_object(Key="other", Body=b"x", **encrypted),
            lambda: s3.get_object(Bucket=BUCKET, Key="k"),
            lambda: s3.copy_object(Bucket=BUCKET, Key="copy", CopySource=f"{BUCKET}/k"),
            lambda: s3.create_multipart_upload(Key="parts", **encrypted),
        )
        return {code(call) for call in calls}

    kms.disable_key(KeyId=key)
    assert codes() == {"KMS.DisabledException"}
    s3.head_object(Bucket=BUCKET, Key="k")
    kms.schedule_key_deletion(KeyId=key)
    assert codes() == {"KMS.KMSInvalidStateException"}
    absent = {**encrypted, "SSEKMSKeyId": ABSENT}
    assert code(lambda: s3.put_object(Key="absent", Body=b"x", **absent)) == "KMS.NotFoundException"
    s3.put_object(Bucket=BUCKET, Key="own", Body=b"x", ServerSideEncryption="aws:kms")
    kms.cancel_key_deletion(KeyId=key)
    kms.enable_key(KeyId=key)
    assert s3.get_object(Bucket=BUCKET, Key="k")["Body"].read() == b"x"
