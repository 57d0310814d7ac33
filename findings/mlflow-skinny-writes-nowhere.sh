#!/bin/sh
# mlflow-skinny is MLflow's package for logging without its server and database. Since the default
# store became SQLite and the folder `mlruns` was put into maintenance, the slim package alone can log
# to no place on this machine: the default asks for a database it does not bring, and a `file:` store
# is refused too, unless MLFLOW_ALLOW_FILE_STORE=true is set. Only a server takes what it logs.
#
# Versions: mlflow-skinny 3.17.2.
# Expected: a run in ./mlruns, as with earlier versions.
# Seen: an error from MlflowClient() with the default store and with a file store; the file store works
# with the variable.
#
# Exits with 0 while that is so, with 1 once it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet mlflow-skinny==3.17.2
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import os
import sys

import mlflow
from mlflow import MlflowClient

print("mlflow-skinny", mlflow.__version__)


def logs(uri):
    """Whether a run can be begun, logged to and read back."""
    try:
        client = MlflowClient(tracking_uri=uri)
        run = client.create_run(client.create_experiment(f"e{uri and len(uri)}"))
        client.log_metric(run.info.run_id, "loss", 1.0, step=0)
        works = len(client.get_metric_history(run.info.run_id, "loss")) == 1
    except Exception as error:
        print(f"{uri or 'the default'}: {type(error).__name__}: {str(error).strip()[:90]}")
        return False
    print(f"{uri or 'the default'}: works")
    return works


store = f"file://{os.getcwd()}/store"
seen = [logs(None), logs(store)]
os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
seen.append(logs(store))
sys.exit(0 if seen == [False, False, True] else 1)
PY
