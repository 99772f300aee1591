#!/usr/bin/python3
"""Writes results/REPRODUCED.md from the reference: what papers published beside what this project measured.

    scripts/reproduced.py [--program QUANTBENCH] [--reference FOLDER] [--out FILE]

No figure is typed: the program sets published and measured figures side by side and judges them (`quantbench table`), and
hours and machines come from the reference files (results/reference/FORMAT.md).
"""
import argparse
import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def text(value):
    """A value as a cell of a Markdown table."""
    return str(value).replace("\\", "\\\\").replace("|", "\\|").replace("*", "\\*").replace("\n", " ")


def number(value, digits=3):
    if value is None:
        return "-"
    return f"{value:.4g}" if abs(value) >= 1e5 else f"{value:.{digits}f}".rstrip("0").rstrip(".")


def table(columns, rows):
    """columns: (title, is a number)."""
    lines = ["| " + " | ".join(title for title, _ in columns) + " |",
             "|" + "|".join("---:" if right else "---" for _, right in columns) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


# What the machine on which the page is made happens to have does not change it.
NOT_RUN = ("not run", "data not here", "no recipe")


def is_short(recipe):
    return recipe.endswith("_short")


class Reference:
    def __init__(self, folder):
        self.files = {}
        for path in sorted(folder.glob("*.json")):
            one = json.loads(path.read_text())
            one["path"] = path
            self.files[one["configuration"]] = one

    def hours(self, digests):
        return sum(self.files[d]["machine_hours"] for d in digests if d in self.files)


def machine_of(file):
    out = sorted({f'{p["cpu"]}, {p["isa"]}, {p["threads"]} thread(s)' for p in file["provenances"]})
    return "; ".join(out)


def recipe_values(recipe):
    """The keys to which the text of a recipe gives one value."""
    values, section = {}, ""
    for line in recipe.splitlines():
        line = line.split("#", 1)[0].strip()
        if line.startswith("["):
            section = line.strip("[]") + "."
        elif "=" in line:
            key, value = (word.strip() for word in line.split("=", 1))
            values[section + key] = value if section + key not in values else None
    return values


def same(value, said):
    try:
        return float(value) == float(said)
    except (TypeError, ValueError):
        return value == said


def command_of(cell):
    return " ".join(["quantbench run", cell["recipe"]] + [f"--{key}" for key in cell["keys"].split(";") if key])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--program", default=str(ROOT / "build/release/quantbench"))
    parser.add_argument("--reference", default=str(ROOT / "results/reference"), type=str)
    parser.add_argument("--out", default=str(ROOT / "results/REPRODUCED.md"))
    options = parser.parse_args()

    def ask(*words):
        done = subprocess.run([options.program, *words], stdout=subprocess.PIPE, text=True)
        if done.returncode != 0:
            sys.exit(f"reproduced.py: '{' '.join(words)}' failed.")
        return done.stdout

    reference = Reference(pathlib.Path(options.reference))
    recipes = json.loads(ask("list", "recipes", "--format", "json"))
    names = {recipe["help"]: recipe["name"] for recipe in recipes}
    texts = {recipe["name"]: recipe["text"] for recipe in recipes}
    defaults = {key["name"]: key["default"] for key in json.loads(ask("list", "keys", "--format", "json"))}
    for kind in ("methods", "models", "datasets"):
        for one in json.loads(ask("list", kind, "--format", "json")):
            defaults.update({f'{one["name"]}.{option["name"]}': option["default"] for option in one["options"]})
    papers = sorted(p.stem for p in (ROOT / "results/papers").glob("*.csv") if p.stem not in ("recipes", "units"))

    rows, counts, judged = [], {}, set()
    for paper in papers:
        for cell in json.loads(ask("table", paper, "--format", "json", "--store", options.reference)):
            verdict = cell["verdict"]
            if cell["n"] and is_short(cell["recipe"]):
                verdict = "shortened schedule"
            if verdict in NOT_RUN:
                verdict = "not run"
            counts.setdefault(paper, {}).setdefault(verdict, 0)
            counts[paper][verdict] += 1
            if not cell["n"]:
                continue
            digests = cell["configurations"].split()
            judged.update(digests)
            bits = cell["w_bits"] + ("/" + cell["a_bits"] if cell["a_bits"] else "")
            ours = number(cell["ours_mean"]) + ("" if cell["ours_std"] is None else " ± " + number(cell["ours_std"]))
            verdict += f', {cell["seeds_needed"]} seeds' if cell["seeds_needed"] and verdict == "undecided" else ""
            rows.append([text(f'{paper}, {cell["table"]}' if cell["table"] else paper),
                         text(f'{cell["method"]}{" " + bits if bits else ""}, {cell["model"]} on {cell["dataset"]}'),
                         text(cell["metric"]),
                         number(cell["published"]) + ("\\*" if cell["second_hand"] else ""),
                         text(ours), str(cell["n"]), number(cell["difference"]), verdict,
                         number(reference.hours(digests), 2), f"`{command_of(cell)}`"])

    out = ["# What was produced again\n",
           "Published figures beside those of this project's own runs ([results/reference](reference/FORMAT.md)). Made by "
           "`scripts/reproduced.py`; no figure was typed. *Reproduced*: equivalent within 0.5 points (other figures: 2 %) at "
           "95 %, by two one-sided tests; *better* and *not reproduced*: the interval lies beyond that; *undecided*: so many "
           "seeds would do. One set of runs is judged against one figure; a deviation is a *spread* and not judged; "
           "\\* second-hand: not read in the paper itself. "
           "Hours are of the machine that is named below, while it had other work, too.\n",
           "## Published and measured\n",
           table([("paper, table", 0), ("row", 0), ("metric", 0), ("published", 1), ("ours", 1), ("n", 1), ("difference", 1),
                  ("verdict", 0), ("machine hours", 1), ("command", 0)], rows)
           if rows else "Nothing yet.\n",
           "## Cells of all papers\n"]
    kinds = ["reproduced", "better", "not reproduced", "undecided", "shortened schedule", "same runs as another row",
             "spread", "not measured here", "not run", "no such model", "no figure given"]
    out.append(table([("paper", 0)] + [(kind, 1) for kind in kinds],
                     [[text(paper)] + [str(found.get(kind, 0)) for kind in kinds] for paper, found in counts.items()]))
    out.append("*Not run*: nobody has yet, for want of time, data or a recipe.\n")

    others = []
    for digest, one in reference.files.items():
        if digest in judged:
            continue
        recipe = names.get(one["name"], "")
        said = dict(defaults, **recipe_values(texts.get(recipe, "")))
        short = is_short(recipe) or int(one["recipe"]["train.epochs"]) < int(said["train.epochs"] or 0)
        kind = "shortened schedule" if short else "no published figure"
        a = one["accuracy"]
        accuracy = "-" if a["mean"] is None else f'{100 * a["mean"]:.2f}'
        if a["std"] is not None:
            accuracy += f' ± {100 * a["std"]:.2f}'
        told = {key: value for key, value in one["recipe"].items()
                if key in (f'{one["method"]}.{name}' for name in ("mode", "weight_bits", "activation_bits", "alpha", "target_bits"))}
        if one["recipe"].get("bsq.scheme"):
            told = {"bsq.scheme": "given", "bsq.activation_bits": one["recipe"]["bsq.activation_bits"]}
        settings = " ".join(f"{key.split('.', 1)[1]}={value}" for key, value in told.items())
        words = [recipe] if recipe else [f'--model={one["model"]}']
        words += [f'--dataset={one["dataset"]}', f'--method={one["method"]}']
        words += [f"--{key}={value}" for key, value in one["recipe"].items()
                  if key not in ("model", "dataset", "method") and not same(value, said.get(key))]
        sizes = {run["size_bytes"] for run in one["runs"]}
        others.append([text(f'{one["method"]} {settings}'.strip()), text(f'{one["model"]} on {one["dataset"]}'), accuracy,
                       str(a["n"]), f"{max(sizes):,}" if len(sizes) == 1 else f"{min(sizes):,} to {max(sizes):,}", kind,
                       number(one["machine_hours"], 2), f"`quantbench run {' '.join(words)}`"])
    if others:
        out.append("## Other runs of the reference\n")
        out.append("Nothing published is judged by these: a *shortened schedule* is never called reproduced.\n")
        out.append(table([("method", 0), ("task", 0), ("top-1 %", 1), ("n", 1), ("bytes", 1), ("what it is", 0),
                          ("machine hours", 1), ("command", 0)], sorted(others)))
    machines = sorted({machine_of(one) for one in reference.files.values()})
    hours = sum(one["machine_hours"] for one in reference.files.values())
    out.append(f"Machine: {'; '.join(machines)}. {number(hours, 2)} machine hours in all, "
               f"{sum(len(one['runs']) for one in reference.files.values())} runs.\n")
    path = pathlib.Path(options.out)
    part = path.with_name(path.name + ".part")
    part.write_text("\n".join(out))
    part.replace(path)


if __name__ == "__main__":
    main()
