#!/bin/bash
# A run under Slurm that saves and is put back into the queue before its time is over, until it is
# done:
#
#     sbatch scripts/slurm.sh --dataset-path DATA --checkpoint-dir runs/x --recipe conservative
#
# Slurm itself starts the processes, one for each GPU, and tells this script 120 s before the end;
# they save within a step and end with 128 + SIGUSR1. Where a node fails Slurm requeues by itself.
#
#SBATCH --job-name=decamo
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=2
#SBATCH --gpus-per-node=2
#SBATCH --cpus-per-task=8
#SBATCH --time=24:00:00
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=%x-%j.log

set -u

TRY_AGAIN=75 # the budget is spent, data did not come, or a process is gone
USR1=$((128 + $(kill -l USR1)))
USR2=$((128 + $(kill -l USR2)))
TERM_CODE=$((128 + $(kill -l TERM)))

MASTER_ADDR=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
MASTER_PORT=$((20000 + SLURM_JOB_ID % 20000))
export MASTER_ADDR MASTER_PORT

# Each process finds its number in what srun tells it. `--kill-on-bad-exit` ends the others where
# one dies, which they notice themselves as well.
# shellcheck disable=SC2016
srun --kill-on-bad-exit=1 bash -c '
    export RANK=$SLURM_PROCID LOCAL_RANK=$SLURM_LOCALID WORLD_SIZE=$SLURM_NTASKS
    exec "${PYTHON:-python}" -m decamo train --resume auto "$@"
' decamo-train "$@" &
run=$!

# srun passes these on to the processes, which save; their exit codes come back through it. A
# trapped signal ends `wait` before srun ends: then it is waited for anew.
for name in USR1 USR2 TERM; do
    # shellcheck disable=SC2064
    trap "heard=yes; kill -s $name $run 2>/dev/null" "$name"
done
heard=yes
while [ "$heard" ]; do
    heard=
    wait "$run"
    code=$?
done

case $code in
0) echo "decamo: the run is done" ;;
"$TRY_AGAIN" | "$USR1" | "$USR2")
    echo "decamo: saved with exit code $code; back into the queue"
    scontrol requeue "$SLURM_JOB_ID"
    ;;
"$TERM_CODE") echo "decamo: cancelled; the same sbatch goes on from the last checkpoint" ;;
*) echo "decamo: exit code $code is no matter of time; not requeued" ;;
esac
exit "$code"
