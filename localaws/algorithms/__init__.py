"""SageMaker's built-in algorithms: programs that do on this machine what AWS's images do."""
