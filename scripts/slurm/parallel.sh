#!/bin/bash
# A run that several processes train together, one a task of Slurm, on one node or many:
#
#     sbatch --nodes=2 --ntasks-per-node=4 --cpus-per-task=4 --signal=USR1@120 \
#            scripts/slurm/parallel.sh QUANTBENCH run RECIPE [OPTION...]
#
# QUANTBENCH is the program (a path that all nodes have); `resume RUN` and `replay RUN` go likewise. With --signal, Slurm
# asks the tasks to stop before the time limit; they save one checkpoint, the job ends with code 130, and `resume` goes on.
set -u

[ $# -gt 0 ] || { echo "parallel.sh takes the program and its command." >&2; exit 2; }
[ -n "${SLURM_JOB_ID:-}" ] || { echo "parallel.sh is a script for sbatch (or for salloc)." >&2; exit 2; }
MASTER_ADDR=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
MASTER_PORT=${MASTER_PORT:-$((20000 + SLURM_JOB_ID % 20000))}
OMP_NUM_THREADS=${SLURM_CPUS_PER_TASK:-1}
OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}
export MASTER_ADDR MASTER_PORT OMP_NUM_THREADS OMP_WAIT_POLICY
# They end each other, rank 0 last: it writes the checkpoint. (The variables are each task's own.)
# shellcheck disable=SC2016
exec srun --kill-on-bad-exit=0 bash -c '
  export RANK=$SLURM_PROCID WORLD_SIZE=$SLURM_NTASKS LOCAL_RANK=$SLURM_LOCALID
  exec "$@" --threads="$OMP_NUM_THREADS"' task "$@"
