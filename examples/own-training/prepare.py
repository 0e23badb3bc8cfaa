"""Split the data: prepare.py DATA TARGET OUTPUT. DATA is a CSV file, or a folder with one."""

import sys
from pathlib import Path

import pandas as pd
from sklearn.model_selection import train_test_split

data, target, output = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
frame = pd.read_csv(next(data.glob("*.csv")) if data.is_dir() else data)
if target not in frame:
    sys.exit(f"there is no column {target!r}. The columns are {', '.join(frame)}.")
frame = frame.rename(columns={target: "target"})
train, held_out = train_test_split(frame, test_size=0.3, random_state=7)
output.mkdir(parents=True, exist_ok=True)
train.to_csv(output / "train.csv", index=False)
held_out.to_csv(output / "held_out.csv", index=False)
