#!/usr/bin/python3
"""Kills runs of every method at random moments and compares what they end with.

    tests/crash/kills.py PROGRAM [KILLS [SEED]]

Each method runs once whole. Then it is started again, killed (SIGKILL) after a random part of that time and resumed, until
its share of KILLS (default 200) is spent; each such run must end with the weights and the package of the whole one. A kill
finds the run anywhere: before the store knows of it, in FP32 training, where a phase of the method begins, while it packs
or measures. Prints a line a method; ends with 1 when a result differs.
"""
import json
import pathlib
import random
import subprocess
import sys
import tempfile
import time

IMAGES = """
model = lenet5
dataset = synthetic_images
batch = 32
latency = no
[synthetic_images]
train = 640
validation = 64
test = 64
[fp32]
epochs = 3
[train]
epochs = 8
lr = 0.01
[calibration]
samples = 64
"""
GRAPH = """
model = gcn2
dataset = synthetic_graph
latency = no
[fp32]
epochs = 60
[train]
epochs = 60
optimizer = adam
lr = 0.004
"""
OPTIONS = {
    "uniform": "mode = qat\nrule = lsq\nweight_bits = 4\nactivation_bits = 4",
    "hawq": "weight_bits = 4\nactivation_bits = 4",
    "hawq_v2": "weight_bits = 4\nactivation_bits = 4",
    "bsq": "interval = 2\nalpha = 0.1",
    "srq_dropbits": "weight_bits = 3\nactivation_bits = 3\ndropbits = point",
}


class Store:
    def __init__(self, program, folder, recipe):
        self.program, self.path = program, folder / "q.db"
        self.recipe = folder / "recipe.ini"
        self.recipe.write_text(recipe)

    def command(self, *words):
        return [self.program, *words, "--quiet", "--threads=1", "--store", self.path]

    def runs(self):
        listed = subprocess.run(self.command("runs", "--format=json"), capture_output=True, text=True)
        return json.loads(listed.stdout) if listed.returncode == 0 else []

    def shown(self, run):
        text = subprocess.run(self.command("show", str(run), "--format=json"), capture_output=True, text=True,
                              check=True).stdout
        return {key: json.loads(text)[key] for key in ("weights_hash", "package_hash", "top1_shipped")}

    def start(self, run):
        """The run itself, or what goes on with it where the store knows it."""
        words = ("resume", str(run)) if any(known["id"] == run for known in self.runs()) else ("run", self.recipe)
        return subprocess.Popen(self.command(*words, "--checkpoint-seconds=0.02"), stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL)


def one_method(program, method, kills, chance):
    with tempfile.TemporaryDirectory() as folder:
        graph = method == "degree_quant"
        recipe = f"method = {method}\n{GRAPH if graph else IMAGES}\n"
        if method in OPTIONS:
            recipe += f"[{method}]\n{OPTIONS[method]}\n"
        store = Store(program, pathlib.Path(folder), recipe)
        begun = time.monotonic()
        subprocess.run(store.command("run", store.recipe), check=True, stdout=subprocess.DEVNULL)
        seconds = time.monotonic() - begun
        whole, run, killed, different = store.shown(1), 2, 0, 0
        while killed < kills:
            spared = False
            while not spared:
                process = store.start(run)
                try:
                    process.wait(chance.uniform(0.3, max(0.6, seconds / 2)) if killed < kills else None)
                    known = [row["status"] for row in store.runs() if row["id"] == run]
                    spared = known == ["ok"]
                    if not spared and process.returncode != 0:
                        raise SystemExit(f"{method}: the run is {known} after {killed} kills")
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
                    killed += 1
                    spared = [row["status"] for row in store.runs() if row["id"] == run] == ["ok"]
            different += store.shown(run) != whole
            run += 1
        print(f"{method}: {killed} kills in {run - 2} runs, {different} different", flush=True)
        return killed, different


def main():
    program = str(pathlib.Path(sys.argv[1]).resolve())
    wanted = int(sys.argv[2]) if len(sys.argv) > 2 else 200
    chance = random.Random(int(sys.argv[3]) if len(sys.argv) > 3 else None)
    listed = subprocess.run([program, "list", "methods", "--format=json"], capture_output=True, text=True, check=True)
    names = [method["name"] for method in json.loads(listed.stdout)]
    spent = [one_method(program, name, -(-wanted // len(names)), chance) for name in names]
    killed, different = (sum(column) for column in zip(*spent))
    print(f"{killed} kills, {different} runs different")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
