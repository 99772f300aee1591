#!/bin/sh
# Runs a list of recipes, keeps the results, and says what got worse since the night before.
#
#     scripts/nightly.sh [--work DIR] [--program QUANTBENCH] [--reference FOLDER] LIST [SHARD...]
#
# LIST has a recipe a line (a built-in name or a file), with options behind it if need be; lines that
# begin with # are left out. Tonight's runs go to DIR/nights/DATE.db (DIR: ./nightly); what is done there
# already is skipped, so a night that was cut goes on when it is started again. That shard, and SHARDs of
# other machines, are merged into DIR/quantbench.db. DIR/site/index.html is the leaderboard,
# DIR/summary.md says what changed, DIR/nights/DATE.log has the output of every run. With --reference the summary also
# says which of tonight's runs came out as those of a reference (results/reference): exact, within noise, different.
#
# Exit code 0: nothing regressed; 1: something did, or is different from the reference; 2: it could not be run at all; 3: nothing regressed, but
# a recipe failed or a shard was refused.
set -eu

work=nightly
program=quantbench
reference=
while [ $# -gt 0 ]; do
  case "$1" in
    --work) work=${2:?--work takes a folder}; shift 2 ;;
    --program) program=${2:?--program takes a path}; shift 2 ;;
    --reference) reference=${2:?--reference takes a folder}; shift 2 ;;
    --) shift; break ;;
    -*) echo "nightly.sh knows --work, --program and --reference, not '$1'." >&2; exit 2 ;;
    *) break ;;
  esac
done
if [ $# -lt 1 ] || [ ! -r "$1" ]; then
  echo "nightly.sh takes a file that lists recipes." >&2
  exit 2
fi
list=$1
shift
command -v "$program" >/dev/null || { echo "There is no program $program; name it with --program." >&2; exit 2; }

night=${QUANTBENCH_NIGHT:-$(date -u +%F)}
mkdir -p "$work/nights"
exec 9>"$work/lock"
flock -n 9 || { echo "Another night is at work in $work." >&2; exit 2; }

store=$work/quantbench.db
shard=$work/nights/$night.db
log=$work/nights/$night.log
troubles=$work/nights/$night.troubles
: >"$troubles"

while IFS= read -r line <&3 || [ -n "$line" ]; do
  case "$line" in '' | '#'*) continue ;; esac
  echo "== $line" >>"$log"
  # Word splitting is meant: options stand behind the recipe.
  # shellcheck disable=SC2086
  if ! (set -f; exec "$program" run $line --skip-done --quiet --store "$shard") >>"$log" 2>&1 9>&- 3>&-; then
    echo "- the recipe \`$line\` failed: $(tail -n 1 "$log")" >>"$troubles"
  fi
done 3<"$list"

[ -e "$shard" ] && set -- "$shard" "$@"
for one in "$@"; do
  "$program" merge "$one" --store "$store" >>"$log" 2>&1 ||
    echo "- the shard \`$one\` was not merged: $(tail -n 1 "$log")" >>"$troubles"
done
if [ ! -e "$store" ]; then
  echo "No run of $list came to a store; see $log." >&2
  cat "$troubles" >&2
  exit 2
fi

code=0
"$program" history --since "$night" --format markdown --store "$store" >"$work/summary.part" || code=$?
case $code in
  0 | 3) ;;
  *) echo "The nights could not be compared." >&2; exit 2 ;;
esac
if [ -n "$reference" ] && [ -e "$shard" ]; then
  against=0
  "$program" compare reference --reference "$reference" --format markdown --store "$shard" >"$work/against.part" || against=$?
  case $against in
    0) ;;
    3) code=3 ;;
    *) echo "The night could not be held against the reference." >&2; exit 2 ;;
  esac
fi
"$program" leaderboard --out "$work/site" --store "$store" >>"$log" 2>&1 ||
  echo "- the leaderboard was not written: $(tail -n 1 "$log")" >>"$troubles"

{
  echo "# Night of $night"
  echo
  if [ -s "$troubles" ]; then
    echo "## Troubles"
    echo
    cat "$troubles"
    echo
  fi
  cat "$work/summary.part"
  [ ! -e "$work/against.part" ] || { echo; cat "$work/against.part"; }
} >"$work/summary.md.part"
mv "$work/summary.md.part" "$work/summary.md"
rm -f "$work/summary.part" "$work/against.part"

[ $code -eq 0 ] || exit 1
[ ! -s "$troubles" ] || exit 3
