"""SageMaker endpoints that serve models: each production variant is a process that runs the image's entry point."""
