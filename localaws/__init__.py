"""AWS on this machine: moto, and the SageMaker parts that moto lacks. A development tool; no script imports it."""
