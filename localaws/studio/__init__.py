"""SageMaker Studio's domains and user profiles, without Studio's applications and spaces."""
