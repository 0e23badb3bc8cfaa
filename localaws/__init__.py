"""A local AWS for development: moto, and the parts of SageMaker that moto lacks. No script imports it."""
