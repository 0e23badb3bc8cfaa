"""A local AWS: moto, and the parts of SageMaker that moto lacks. A development tool; no script imports it."""
