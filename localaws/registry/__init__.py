"""ECR's registry: the HTTP API below /v2/ with which container tools push and pull images."""
