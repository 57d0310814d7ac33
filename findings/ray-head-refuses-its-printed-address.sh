#!/bin/sh
# Whoever has ever called `ray.init()` alone on a machine has a file ~/.ray/auth_token since. From then
# on `ray start --head` asks every caller for that token, unasked, and prints HOST:PORT as the address
# to connect to. But `ray.init("HOST:PORT")` sends no token unless RAY_AUTH_MODE=token is set, also on
# the same machine and with the same file: it fails after a quarter of a minute with "Failed to connect
# to Ray cluster", which names no token. `ray.init("auto")` beside it connects. On a machine where
# nobody called `ray.init()` before, the same two commands work.
#
# Version: ray 2.60.0.
# Expected: the address that a head prints is one that its own machine can connect to, or an error
#   that says what is missing.
# Seen: without the file HOST:PORT connects; with it "auto" connects, HOST:PORT does not, and
#   with RAY_AUTH_MODE=token it does again.
#
# Exits with 0 while that is so, with 1 once it has changed.
set -eu
folder=$(mktemp -d)
head=
trap 'test -z "$head" || kill "$head" 2>/dev/null || true; wait; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet ray==2.60.0
export HOME="$folder" RAY_USAGE_STATS_ENABLED=0
unset RAY_AUTH_MODE RAY_AUTH_TOKEN RAY_AUTH_TOKEN_PATH RAY_ADDRESS PYTHONPATH || true
port=$("$folder/venv/bin/python" -c 'import socket
with socket.socket() as line:
    line.bind(("127.0.0.1", 0))
    print(line.getsockname()[1])')

cat >"$folder/connect.py" <<'PY'
import sys

import ray

try:
    ray.init(sys.argv[1], log_to_driver=False, logging_level="ERROR")
    print("connected" if ray.cluster_resources().get("CPU") else "no cores")
except ConnectionError as error:
    print(str(error).partition(" at ")[0])
PY
connect() { "$folder/venv/bin/python" "$folder/connect.py" "$1" 2>/dev/null; }

start() {
  "$folder/venv/bin/ray" start --head --block --num-cpus 1 --num-gpus 0 --port "$port" \
    --include-dashboard=false --temp-dir "$folder/$1" --object-store-memory 80000000 >"$folder/$1.txt" 2>&1 &
  head=$!
  waited=0
  until grep -q "Ray runtime started" "$folder/$1.txt"; do
    waited=$((waited + 1))
    test "$waited" -lt 60 || { cat "$folder/$1.txt"; exit 1; }
    sleep 1
  done
}
finish() { kill "$head"; wait "$head" || true; head=; }

start before
fresh=$(connect "127.0.0.1:$port")
finish
"$folder/venv/bin/python" -c 'import ray; ray.init("local", num_cpus=1, include_dashboard=False)' >/dev/null 2>&1
test -f "$folder/.ray/auth_token"
start after
told=$(grep -c "Token authentication is enabled" "$folder/after.txt" || true)
auto=$(connect auto)
named=$(connect "127.0.0.1:$port")
token=$(RAY_AUTH_MODE=token connect "127.0.0.1:$port")
finish
echo "no token file: $fresh; with one: auto $auto, the address: $named, told to send it: $token"
test "$fresh" = connected && test "$told" = 1 && test "$auto" = connected && test "$token" = connected &&
  test "$named" = "Failed to connect to Ray cluster"
