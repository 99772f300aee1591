#!/bin/sh
# Runs a list of recipes as a job array of Slurm: one run a task, each into a shard of its own, and a job that
# depends on the array and merges the shards.
#
#     scripts/slurm/sweep.sh [--work DIR] [--program QUANTBENCH] [--minutes N] [--margin SECONDS] [--nightly]
#                            LIST [-- OPTIONS OF SBATCH...]
#
# LIST is as that of scripts/nightly.sh: a recipe a line (a built-in name or a file), with options behind it if need be;
# every point of a sweep becomes a task. Everything lies in DIR (./sweep), which all nodes must see: tasks, shards/, logs/,
# and at the end quantbench.db. A task has N minutes (60); SECONDS (120) before they are over Slurm sends it a signal, upon
# which it saves a checkpoint and puts itself back into the queue. The same command again runs what is not done yet.
#
# With --nightly the dependent job is scripts/nightly.sh over the shards, so DIR gets its page and its summary, too, and
# a night's tasks lie in DIR/slurm/DATE.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
work=sweep
program=quantbench
minutes=60
margin=120
nightly=no
list=
while [ $# -gt 0 ]; do
  case "$1" in
    --work) work=${2:?--work takes a folder}; shift 2 ;;
    --program) program=${2:?--program takes a path}; shift 2 ;;
    --minutes) minutes=${2:?--minutes takes a number}; shift 2 ;;
    --margin) margin=${2:?--margin takes seconds}; shift 2 ;;
    --nightly) nightly=yes; shift ;;
    --) shift; break ;;
    -*) echo "sweep.sh knows --work, --program, --minutes, --margin and --nightly, not '$1'." >&2; exit 2 ;;
    *)
      [ -z "$list" ] || { echo "sweep.sh takes one list; options of sbatch stand behind '--'." >&2; exit 2; }
      list=$1
      shift ;;
  esac
done
if [ -z "$list" ] || [ ! -r "$list" ]; then
  echo "sweep.sh takes a file that lists recipes." >&2
  exit 2
fi
for number in "$minutes" "$margin"; do
  case "$number" in
    '' | *[!0-9]*) echo "sweep.sh: --minutes and --margin take whole numbers, not '$number'." >&2; exit 2 ;;
  esac
done
[ "$((minutes * 60))" -gt "$margin" ] ||
  { echo "sweep.sh: a margin of $margin seconds leaves nothing of $minutes minute(s)." >&2; exit 2; }
command -v sbatch >/dev/null || { echo "There is no sbatch; this needs Slurm." >&2; exit 2; }
program=$(command -v "$program") || { echo "There is no such program; name it with --program." >&2; exit 2; }
program=$(readlink -f "$program")

mkdir -p "$work"
work=$(cd "$work" && pwd)
night=${QUANTBENCH_NIGHT:-$(date -u +%F)}
into=$work
[ "$nightly" = no ] || into=$work/slurm/$night
mkdir -p "$into/shards" "$into/logs" "$into/done"

# A line a task: the recipe with its options, and which point of its sweep it is.
tasks=$into/tasks
: >"$tasks.part"
while IFS= read -r line <&3 || [ -n "$line" ]; do
  case "$line" in '' | '#'*) continue ;; esac
  # Word splitting is meant: options stand behind the recipe.
  # shellcheck disable=SC2086
  plan=$(set -f; exec "$program" run $line --dry-run --quiet --store "$into/none.db" 3>&-) ||
    { echo "sweep.sh: '$line' cannot be run: $(echo "$plan" | grep '^missing' || true)" >&2; exit 2; }
  points=$(echo "$plan" | sed -n 's/^\([0-9]*\) run(s), .*/\1/p')
  point=1
  while [ "$point" -le "$points" ]; do
    echo "$line --part=$point/$points" >>"$tasks.part"
    point=$((point + 1))
  done
done 3<"$list"
count=$(grep -c . "$tasks.part" || true)
[ "$count" -gt 0 ] || { echo "$list names no recipe." >&2; exit 2; }
if [ -e "$tasks" ] && ! cmp -s "$tasks" "$tasks.part"; then
  echo "$into holds another sweep; use another --work." >&2
  exit 2
fi
mv "$tasks.part" "$tasks"
most=$(scontrol show config | sed -n 's/^MaxArraySize *= *//p')
[ -z "$most" ] || [ "$count" -lt "$most" ] ||
  { echo "This cluster takes arrays of less than $most tasks, and this sweep has $count; split the list." >&2; exit 2; }

array=$(sbatch --parsable --job-name=quantbench --array="1-$count" --time="$minutes" --signal="B:USR1@$margin" --requeue \
  --open-mode=append --output="$into/logs/%a.log" --ntasks=1 "$@" "$here/task.sh" "$into" "$program")
array=${array%%;*}
after=$(sbatch --parsable --job-name=quantbench-merge --dependency="afterany:$array" --requeue --open-mode=append \
  --output="$into/logs/merge.log" --ntasks=1 "$@" "$here/merge.sh" "$into" "$program" "$nightly" "$work" "$night" \
  "${here%/slurm}")
after=${after%%;*}
echo "$count task(s) as job $array; job $after merges them into $work/quantbench.db"
