"""MLflow tracking servers: AWS's API, the MLflow servers that it manages, and the gateway to them."""
