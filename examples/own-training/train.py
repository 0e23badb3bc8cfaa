"""Train, log to MLflow, and keep the model's files: train.py PREPARED MODEL STRENGTH."""

import sys
from pathlib import Path

import mlflow
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

prepared, model_folder, strength = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
frame = pd.read_csv(prepared / "train.csv")
features, truth = frame.drop(columns="target").astype(float), frame["target"].to_numpy(dtype=str)
model = make_pipeline(StandardScaler(), LogisticRegression(C=strength)).fit(features, truth)
# In a job and in `mlflow run`, this uses the run that was made for the step.
with mlflow.start_run():
    mlflow.log_param("classifier", "logistic regression")
    logged = mlflow.sklearn.log_model(model, name="model", input_example=features.head(3))
mlflow.artifacts.download_artifacts(logged.model_uri, dst_path=str(model_folder))
