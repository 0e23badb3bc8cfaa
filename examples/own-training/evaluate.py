"""Score the model on held-out rows: evaluate.py PREPARED MODEL OUTPUT. The pipeline reads OUTPUT/evaluation.json."""

import json
import sys
from pathlib import Path

import mlflow
import pandas as pd
from sklearn.metrics import accuracy_score

prepared, model_folder, output = (Path(argument) for argument in sys.argv[1:])
frame = pd.read_csv(prepared / "held_out.csv")
model = mlflow.pyfunc.load_model(str(model_folder))
accuracy = accuracy_score(frame["target"].astype(str), model.predict(frame.drop(columns="target").astype(float)))
with mlflow.start_run():
    mlflow.log_metric("accuracy", accuracy)
output.mkdir(parents=True, exist_ok=True)
(output / "evaluation.json").write_text(json.dumps({"metrics": {"accuracy": {"value": accuracy}}}))
