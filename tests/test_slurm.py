"""scripts/slurm.sh under an srun and an scontrol that only write down what they are asked for."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "slurm.sh"

# As Slurm's own: the command once a task, signals passed on, the highest exit code.
SRUN = """#!/bin/bash
while [[ $1 == -* ]]; do shift; done
pids=()
for ((rank = 0; rank < SLURM_NTASKS; rank++)); do
    SLURM_PROCID=$rank SLURM_LOCALID=$rank "$@" &
    pids+=($!)
done
for name in USR1 USR2 TERM; do trap "kill -s $name ${pids[*]}" "$name"; done
highest=0
for pid in "${pids[@]}"; do
    while :; do
        wait "$pid"
        code=$?
        kill -0 "$pid" 2>/dev/null || break
    done
    wait "$pid"
    code=$?
    ((code > highest)) && highest=$code
done
exit $highest
"""
SCONTROL = """#!/bin/bash
echo "$@" >> "$PLACE/scontrol"
[ "$1" = show ] && echo 127.0.0.1 || true
"""
# In place of python: it says what it was started with, and ends as the test wants it to.
PYTHON = """#!/bin/bash
echo "$RANK $LOCAL_RANK $WORLD_SIZE $MASTER_ADDR $MASTER_PORT $*" >> "$PLACE/started"
trap 'exit 138' USR1
[ "$CODE" = wait ] || exit "$CODE"
touch "$PLACE/ready-$RANK"
while :; do sleep 0.05; done
"""

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("bash") is None, reason="Slurm is for Linux"
)


def _environment(place: Path, code: str) -> dict[str, str]:
    for name, text in (("srun", SRUN), ("scontrol", SCONTROL), ("python", PYTHON)):
        (place / name).write_text(text)
        (place / name).chmod(0o755)
    return os.environ | {
        "PATH": f"{place}:{os.environ['PATH']}", "PLACE": str(place), "CODE": code,
        "SLURM_JOB_ID": "4711", "SLURM_JOB_NODELIST": "node[1-2]", "SLURM_NTASKS": "2",
    }  # fmt: skip


def _requeued(place: Path) -> bool:
    return "requeue 4711" in (place / "scontrol").read_text().splitlines()


@pytest.mark.parametrize(
    ("code", "again"),
    [(0, False), (75, True), (138, True), (140, True), (143, False), (2, False), (137, False)],
)
def test_what_time_has_ended_is_put_back_into_the_queue(
    tmp_path: Path, code: int, again: bool
) -> None:
    """75: budget or data; 138 and 140: SIGUSR1 and SIGUSR2; 137: SIGKILL, such as of the OOM."""
    words = ["bash", str(SCRIPT), "--dataset-path", "a b"]
    done = subprocess.run(words, env=_environment(tmp_path, str(code)), check=False, timeout=30)
    assert done.returncode == code
    assert _requeued(tmp_path) is again
    started = sorted((tmp_path / "started").read_text().splitlines())
    port = 20000 + 4711
    assert started == [
        f"{r} {r} 2 127.0.0.1 {port} -m decamo train --resume auto --dataset-path a b"
        for r in (0, 1)
    ]


def test_slurms_warning_reaches_the_processes(tmp_path: Path) -> None:
    run = subprocess.Popen(["bash", str(SCRIPT)], env=_environment(tmp_path, "wait"))
    try:
        while not all((tmp_path / f"ready-{rank}").exists() for rank in (0, 1)):
            assert run.poll() is None
            time.sleep(0.02)
        run.send_signal(signal.SIGUSR1)
        assert run.wait(timeout=30) == 138
    finally:
        run.kill()
    assert _requeued(tmp_path)


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="needs shellcheck")
def test_the_script_is_clean() -> None:
    subprocess.run(["shellcheck", str(SCRIPT)], check=True)
