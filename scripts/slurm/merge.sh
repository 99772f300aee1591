#!/bin/sh
# The job after the array of scripts/slurm/sweep.sh: its shards become one store, or a night of scripts/nightly.sh.
#
#     merge.sh DIR QUANTBENCH yes|no WORK DATE SCRIPTS
#
# Exit code 3: a task was not done; the same sweep.sh again goes on with it. Else that of nightly.sh.
set -eu

into=$1
program=$2
nightly=$3
work=$4
night=$5
scripts=$6

set --
count=$(grep -c . "$into/tasks")
left=
task=1
while [ "$task" -le "$count" ]; do
  [ ! -e "$into/shards/$task.db" ] || set -- "$@" "$into/shards/$task.db"
  [ -e "$into/done/$task" ] || left="$left $task"
  task=$((task + 1))
done
code=0
if [ "$nightly" = yes ]; then
  QUANTBENCH_NIGHT=$night "$scripts/nightly.sh" --work "$work" --program "$program" /dev/null "$@" || code=$?
elif [ $# -gt 0 ]; then
  "$program" merge "$@" --store "$into/quantbench.db" >"$into/logs/merged"
fi
if [ -n "$left" ]; then
  echo "Not done, of $count task(s):$left; see $into/logs." >&2
  [ "$code" -ne 0 ] || code=3
fi
exit "$code"
