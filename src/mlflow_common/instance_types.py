"""Facts about SageMaker's instance types that no API tells."""

import re

# Nitro instances with local storage: those with a `d` after the generation, such as m5d and g4dn, and these families.
# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/InstanceStorage.html
_LOCAL_STORAGE = re.compile(
    r"ml\.(?:[a-z]+\d+[a-z]*d[a-z]*|dl1|gr?[5-9][a-z]*|i[34][a-z]*|p[5-9][a-z]*(?:-[a-z0-9]+)?|trn\d[a-z]*)\."
)


def has_local_storage(instance_type: str) -> bool:
    """Whether instances of a type store on disks of their own, which their hardware encrypts.

    For those "the KmsKeyId parameter does not encrypt instance local storage" (SageMaker API, CreateEndpointConfig).
    """
    return _LOCAL_STORAGE.match(instance_type) is not None
