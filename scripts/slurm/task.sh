#!/bin/bash
# One task of scripts/slurm/sweep.sh: a run, begun or gone on with.
#
#     task.sh DIR QUANTBENCH
#
# The signal before the time limit (USR1) makes the program save a checkpoint; the task then puts itself back into the
# queue and later goes on from there, as it does after a node that failed. SIGTERM (scancel, a preemption) saves a
# checkpoint, too; who sent it decides whether the task comes again.
set -u

into=$1
program=$2
task=$SLURM_ARRAY_TASK_ID
shard=$into/shards/$task.db
line=$(sed -n "${task}p" "$into/tasks")
threads=${SLURM_CPUS_PER_TASK:-1}
export OMP_NUM_THREADS=$threads OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}
[ ! -e "$into/done/$task" ] || exit 0
if [ "${SLURM_RESTART_COUNT:-0}" -gt 1000 ]; then
  echo "The task was put back 1000 times and is still not done; is its time limit too short for one step?"
  exit 1
fi

# A run of the shard that is in `status`: its number.
run_that_is() {
  "$program" runs --store "$shard" --status "$1" --limit 1 --format json 2>/dev/null |
    sed -n 's/.*"id": *\([0-9][0-9]*\).*/\1/p' | head -n 1
}

stopped=
run=
if [ -e "$shard" ]; then
  run=$(run_that_is interrupted)
  [ -n "$run" ] || run=$(run_that_is running)  # its node failed
fi
# In the background, so that the shell hears a signal at once and not when the run is over.
if [ -n "$run" ]; then
  "$program" resume "$run" --store "$shard" --quiet --threads "$threads" &
else
  # Word splitting is meant: options stand behind the recipe.
  # shellcheck disable=SC2086
  (set -f; exec "$program" run $line --skip-done --quiet --store "$shard" --threads "$threads") &
fi
child=$!
trap 'stopped=limit; kill -USR1 "$child" 2>/dev/null' USR1
trap 'stopped=${stopped:-ended}; kill -TERM "$child" 2>/dev/null' TERM
while :; do
  wait "$child"
  code=$?
  kill -0 "$child" 2>/dev/null || break  # else `wait` ended for a signal's sake
done

if [ "$code" -eq 0 ]; then
  : >"$into/done/$task"
  exit 0
fi
if [ "$stopped" = limit ] && [ "$code" -eq 130 ]; then
  echo "Stopped before the time limit; back into the queue."
  trap 'exit 1' TERM
  scontrol requeue "${SLURM_ARRAY_JOB_ID}_$task" || exit 1
  sleep 60 &  # Slurm ends the task meanwhile
  wait
  exit 1
fi
exit "$code"
