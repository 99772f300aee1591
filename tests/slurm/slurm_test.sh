#!/bin/bash
# scripts/slurm against a real Slurm that this test starts in a folder of its own: munged, slurmctld and two slurmd, which
# are two nodes on this machine. Twenty runs; two of them are told that their time is over and come back; one node is
# drained. All must be done at the end, in one store, with the bits that the same runs have without Slurm.
#
#     slurm_test.sh QUANTBENCH SOURCE
#
# Slurm counts time limits in minutes, so the signal that it sends before one (USR1 to the batch script) is sent with
# scancel instead, when a checkpoint says that the run is at work. Exit code 77: skipped.
set -u

program=$1
source=$2
skip() { echo "Skipped: $1"; exit 77; }
for one in munged slurmctld slurmd sbatch scontrol; do
  command -v "$one" >/dev/null || [ -x "/usr/sbin/$one" ] ||
    skip "there is no $one; scripts/install_deps.sh --slurm installs it."
done
PATH=$PATH:/usr/sbin:/sbin

folder=$(mktemp -d "${TMPDIR:-/tmp}/quantbench-slurm-XXXXXX")
chmod 755 "$folder"
export SLURM_CONF=$folder/slurm.conf
unset SLURM_JOB_ID SLURM_ARRAY_TASK_ID SLURM_ARRAY_JOB_ID
daemons=
cleanup() {
  timeout 30 scancel --user "$(id -un)" >/dev/null 2>&1
  for name in slurmd.n1 slurmd.n2 slurmctld munged; do
    [ -s "$folder/$name.pid" ] && kill "$(cat "$folder/$name.pid")" 2>/dev/null
  done
  for one in $daemons; do
    for _ in $(seq 100); do kill -0 "$one" 2>/dev/null || break; sleep 0.1; done
    kill -9 "$one" 2>/dev/null
  done
  rm -rf "$folder"
}
trap cleanup EXIT
fail() {
  echo "FAILED: $1"
  squeue 2>&1 | tail -n 30
  for log in "$folder"/sweep/logs/*.log "$folder"/slurmctld.log; do
    [ ! -s "$log" ] || { echo "== $log"; tail -n 15 "$log"; }
  done
  exit 1
}
# Waits until a command holds; nothing here depends on how long that takes, short of the test's own limit.
until_holds() {
  local what=$1
  shift
  for _ in $(seq 6000); do
    "$@" && return 0
    sleep 0.1
  done
  fail "$what"
}

free_ports=$(python3 - <<'P'
import socket
taken = [socket.socket() for _ in range(3)]
for one in taken: one.bind(("127.0.0.1", 0))
print(*(one.getsockname()[1] for one in taken))
P
)
read -r control_port port1 port2 <<<"$free_ports"
host=$(hostname -s)
user=$(id -un)
head -c 1024 /dev/urandom >"$folder/munge.key"
chmod 600 "$folder/munge.key"
munged --key-file="$folder/munge.key" --socket="$folder/munge.socket" --pid-file="$folder/munged.pid" \
  --log-file="$folder/munged.log" --seed-file="$folder/munge.seed" --force >"$folder/munged.out" 2>&1 ||
  skip "munged does not start here: $(tail -n 1 "$folder/munged.out")"
cat >"$SLURM_CONF" <<C
ClusterName=quantbench
SlurmctldHost=$host(127.0.0.1)
SlurmUser=$user
SlurmdUser=$user
AuthType=auth/munge
CryptoType=crypto/munge
AuthInfo=socket=$folder/munge.socket
SlurmctldPort=$control_port
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool.%n
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.%n.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=2
MpiDefault=none
MinJobAge=86400
SchedulerParameters=sched_interval=2,bf_interval=2
NodeName=n1 NodeHostname=$host NodeAddr=127.0.0.1 Port=$port1 CPUs=1 State=UNKNOWN
NodeName=n2 NodeHostname=$host NodeAddr=127.0.0.1 Port=$port2 CPUs=1 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
C
mkdir -p "$folder/state" "$folder/spool.n1" "$folder/spool.n2"
slurmctld -c >"$folder/slurmctld.out" 2>&1 || skip "slurmctld does not start here: $(tail -n 1 "$folder/slurmctld.out")"
for node in n1 n2; do
  slurmd -N $node >"$folder/$node.out" 2>&1 || skip "slurmd does not start here: $(tail -n 1 "$folder/$node.out")"
done
up() { [ "$(sinfo --noheader --Node --format=%T 2>/dev/null | grep -c '^idle')" = 2 ]; }
for _ in $(seq 300); do up && break; sleep 0.1; done
up || skip "Slurm's nodes do not come up here: $(tail -n 1 "$folder/slurmctld.log")"
daemons=$(cat "$folder"/*.pid)

# Eighteen runs of about a second, and two of a hundred times the epochs: they are at work when their signal comes.
cat >"$folder/short.ini" <<'R'
method = uniform
model = lenet5
dataset = synthetic_images
latency = no
batch = 20
[fp32]
epochs = 1
[train]
epochs = 1
[synthetic_images]
train = 600
test = 100
validation = 50
size = 16
R
sed 's/^epochs = 1$/epochs = 50/' "$folder/short.ini" >"$folder/long.ini"
seeds() { for seed in $(seq "$1" "$2"); do printf -- ' --seed=%s' "$seed"; done; }
{
  echo "$folder/long.ini --seed=101 --seed=102"
  echo "# a comment"
  echo "$folder/short.ini$(seeds 1 18)"
} >"$folder/list"

sweep="$source/scripts/slurm/sweep.sh --work $folder/sweep --program $program --minutes 60 --margin 30"
$sweep "$folder/list" >"$folder/said" 2>&1 || fail "the sweep was refused: $(cat "$folder/said")"
cat "$folder/said"
array=$(sed -n 's/^20 task(s) as job \([0-9]*\);.*/\1/p' "$folder/said")
[ -n "$array" ] || fail "the sweep is not of 20 tasks"

# Both long runs are at work, one a node; their time is over.
at_work() { compgen -G "$folder/sweep/shards/*/checkpoint.safetensors" >/dev/null && [ "$(
  compgen -G "$folder/sweep/shards/*/checkpoint.safetensors" | wc -l)" = 2 ]; }
until_holds "the long runs did not get to a checkpoint" at_work
# scancel asks again and again about a task that went back into the queue meanwhile.
for task in 1 2; do timeout 30 scancel --batch --signal=USR1 "${array}_$task" >/dev/null 2>&1 & done
for task in 1 2; do
  back() { grep -q 'back into the queue' "$folder/sweep/logs/$task.log"; }
  until_holds "task $task did not put itself back" back
done

# Node n2 is drained; what was not begun by then runs on n1 alone.
begun() { compgen -G "$folder/sweep/done/*" >/dev/null; }
until_holds "no run was done" begun
scontrol update nodename=n2 state=drain reason="a test" || fail "n2 was not drained"
waiting=$(squeue --noheader --array --states=PENDING --jobs="$array" --format=%K)
[ -n "$waiting" ] || fail "nothing was left to run after the drain"

all_done() { [ "$(compgen -G "$folder/sweep/done/*" | wc -l)" = 20 ]; }
until_holds "not all runs were done" all_done
merged() { [ -s "$folder/sweep/logs/merged" ]; }
until_holds "the shards were not merged" merged
for task in $waiting; do
  scontrol show job "${array}_$task" | grep -q ' NodeList=n1$\|^ *NodeList=n1$' ||
    fail "task $task did not run on n1: $(scontrol show job "${array}_$task" | grep NodeList)"
done
for task in 1 2; do
  scontrol show job "${array}_$task" | grep -q 'Restarts=[1-9]' || fail "task $task was not restarted"
done

# One store with all of it, and the bits of the same runs without Slurm.
bits() { "$program" export --format json --store "$1" | python3 -c '
import json, sys
for run in sorted(json.load(sys.stdin), key=lambda r: r["seed"]):
    print(run["seed"], run["status"], run["weights_hash"], run["package_hash"], run["predictions_hash"])'; }
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive
while IFS= read -r line; do
  # shellcheck disable=SC2086
  case "$line" in '#'*) ;; *) "$program" run $line --quiet --threads 1 --store "$folder/local.db" >/dev/null ||
    fail "a run without Slurm failed" ;; esac
done <"$folder/list"
bits "$folder/sweep/quantbench.db" >"$folder/slurm.bits"
bits "$folder/local.db" >"$folder/local.bits"
[ "$(grep -c ' ok ' "$folder/slurm.bits")" = 20 ] || fail "not 20 runs are ok: $(cat "$folder/slurm.bits")"
cmp "$folder/slurm.bits" "$folder/local.bits" || fail "the bits differ from those without Slurm"

# The same sweep again has nothing to do, another one is refused, and a night goes over the same shards.
scontrol update nodename=n2 state=resume
$sweep "$folder/list" >"$folder/said" 2>&1 || fail "the same sweep was refused: $(cat "$folder/said")"
idle() { [ -z "$(squeue --noheader)" ]; }
until_holds "the same sweep did not end" idle
[ "$("$program" runs --store "$folder/sweep/quantbench.db" --format json | grep -c '"uid"\|"identity"')" -ge 20 ] ||
  fail "the same sweep lost runs"
cmp -s <(bits "$folder/sweep/quantbench.db") "$folder/slurm.bits" || fail "the same sweep changed the store"
echo "$folder/short.ini" >"$folder/other"
$sweep "$folder/other" 2>&1 | grep -q 'holds another sweep' || fail "another sweep was let in"
$sweep --nightly --work "$folder/nights" "$folder/other" >"$folder/said" 2>&1 || fail "no night: $(cat "$folder/said")"
until_holds "the night did not end" idle
grep -q '1 new' "$folder/nights/summary.md" || fail "the night's summary is not there"
echo "Passed: 20 runs, 2 of them put back, 1 node drained."
