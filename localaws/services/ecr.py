"""ECR: repositories whose address is localaws's own, real passwords, digests and sizes."""

import base64
import hashlib
import json
from typing import Any

from localaws.call import current_call
from localaws.moto_methods import original
from localaws.pages import page
from localaws.services.context import ServiceContext


def install(context: ServiceContext) -> None:
    """Changes moto's ECR."""
    address = f"{context.settings.host}:{context.settings.port}"
    _give_addresses(address)
    _describe_images_truly()
    _issue_tokens(context, f"http://{address}")
    _delete_blobs(context)
    _return_pages()


def _give_addresses(address: str) -> None:
    """The address of a repository is localaws's own, so that no tool pushes to AWS by mistake.

    It is not stored with the repository: a saved state can be loaded on another port.
    """
    from moto.ecr.models import Repository

    def keep_nothing(_repository: Any, _value: str) -> None:
        """moto sets AWS's address."""

    Repository.uri = property(lambda repository: f"{address}/{repository.name}", keep_nothing)


def _describe_images_truly() -> None:
    """An image's digest is that of its manifest, and its size that of its layers: moto makes up both."""
    from moto.ecr.models import Image

    def create_digest(image: Any) -> None:
        image._image_digest = f"sha256:{hashlib.sha256(image.image_manifest.encode()).hexdigest()}"

    def size(image: Any) -> int | None:
        manifest = json.loads(image.image_manifest)
        if "layers" not in manifest:
            return None
        return sum(int(part.get("size", 0)) for part in [manifest.get("config", {}), *manifest["layers"]])

    Image._create_digest = create_digest
    Image.get_image_size_in_bytes = size


def _return_pages() -> None:
    """API_DescribeImages: "If this parameter is not used, then DescribeImages returns up to 100 results"."""
    from moto.ecr.responses import ECRResponse

    for operation in ("DescribeImages", "DescribeRepositories", "ListImages"):
        page(ECRResponse, "ecr", operation, 100)


def _issue_tokens(context: ServiceContext, endpoint: str) -> None:
    from moto.core.responses import ActionResult
    from moto.ecr.responses import ECRResponse

    def get_authorization_token(self: Any) -> Any:
        registries = self._get_param("registryIds") or [self.current_account]
        issued = []
        for _ in registries:
            call = current_call.get()
            token = context.registry_tokens.issue(call.principal, call.access_key)
            encoded = base64.b64encode(f"AWS:{token.password}".encode()).decode()
            issued.append(
                {"authorizationToken": encoded, "expiresAt": token.expires, "proxyEndpoint": endpoint},
            )
        return ActionResult({"authorizationData": issued})

    ECRResponse.get_authorization_token = get_authorization_token


def _delete_blobs(context: ServiceContext) -> None:
    """Deletes the layers of a deleted repository."""
    from moto.ecr.models import ECRBackend

    delete = original(ECRBackend.delete_repository)

    def delete_repository(self: Any, repository_name: str, *given: Any, **named: Any) -> Any:
        deleted = delete(self, repository_name, *given, **named)
        context.blobs.forget(repository_name)
        return deleted

    delete_repository.__wrapped__ = delete  # type: ignore[attr-defined]
    ECRBackend.delete_repository = delete_repository
