"""MLflow tracking servers: AWS's API for them, the real servers behind it, and the gateway in front of those."""
