"""SageMaker endpoints: what is deployed, how, and with which resources."""
