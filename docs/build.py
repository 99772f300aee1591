#!/usr/bin/python3
"""Builds the documentation site from the repository: `make docs`, or

    docs/build.py [--program QUANTBENCH] [--out FOLDER]

Pages that the repository has already (README, the formats, CONTRIBUTING) are taken as they are, at their own places, so
that their links to each other hold; a link to what is no page of the site becomes plain text. Each method's page is its
text in docs/methods, and what the program says of it: card, options, recipes, and our results of results/reference, beside
which stands the leaderboard that the program writes. No figure is typed.
"""
import argparse
import json
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGES = ["README.md", "CONTRIBUTING.md", "methods/INTERFACE.md", "runtime/PACKAGE.md", "runtime/onnx/ONNX.md",
         "results/SCHEMA.md", "results/REPRODUCED.md", "results/reference/FORMAT.md"]
# MkDocs takes a README for the first page of its folder, and that is another one here.
HANDBOOK = "handbook.md"
OWN = ["index.md", "concepts.md", "concepts.svg"]
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")
# Words between back quotes and blocks of code are no links.
CODE = re.compile(r"(```.*?```|`[^`\n]*`)", re.S)


def cell(value):
    return str(value).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def table(titles, rows):
    lines = ["| " + " | ".join(titles) + " |", "|" + "---|" * len(titles)]
    return "\n".join(lines + ["| " + " | ".join(cell(value) for value in row) + " |" for row in rows]) + "\n"


class Site:
    def __init__(self, program, work):
        self.program, self.source = program, work / "source"
        shutil.rmtree(work, ignore_errors=True)
        self.source.mkdir(parents=True)

    def ask(self, *words):
        done = subprocess.run([self.program, *words], stdout=subprocess.PIPE, text=True)
        if done.returncode != 0:
            sys.exit(f"docs/build.py: 'quantbench {' '.join(words)}' failed.")
        return done.stdout

    def put(self, place, text):
        path = self.source / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def link(self, place):
        """Replaces links of a page at `place` that lead out of the site by their text."""
        here = pathlib.PurePosixPath(place).parent

        def one(match):
            picture, words, target = match.groups()
            path = target.split("#", 1)[0]
            if not path or "://" in target or target.startswith("mailto:"):
                return match.group(0)
            wanted = (self.source / here / path).resolve()
            if wanted == self.source / "README.md":
                return match.group(0).replace("README.md", HANDBOOK)
            if wanted.is_file() and self.source in wanted.parents:
                return match.group(0)
            return "" if picture else words

        def outside_code(text):
            return "".join(part if i % 2 else LINK.sub(one, part) for i, part in enumerate(CODE.split(text)))

        path = self.source / place
        path.write_text(outside_code(path.read_text()))


def results_of(runs, card):
    """Our results of one method: a row a configuration of the reference."""
    method, defaults = card["name"], {o["name"]: o["default"] for o in card["options"]}
    groups = {}
    for run in runs:
        if run["method"] == method:
            key = (run["model"], run["dataset"], run["settings"], run["name"])
            groups.setdefault(key, []).append(run)
    rows = []
    for (model, dataset, settings, name), seeds in sorted(groups.items()):
        top1 = [100 * (s["top1_shipped"] if s["top1_shipped"] is not None else s["top1_simulated"]) for s in seeds]
        mean = sum(top1) / len(top1)
        shown = f"{mean:.2f}"
        if len(top1) > 1:
            shown += f" ± {(sum((t - mean) ** 2 for t in top1) / (len(top1) - 1)) ** 0.5:.2f}"
        sizes = sorted({s["size_bytes"] for s in seeds})
        size = f"{sizes[0]:,}" if len(sizes) == 1 else f"{sizes[0]:,} to {sizes[-1]:,}"
        wide = sum(s["weight_bits_average"] for s in seeds) / len(seeds)
        told = [word for word in settings.split()
                if word.split("=", 1)[0].endswith("_bits") or defaults.get(word.split("=", 1)[0]) != word.split("=", 1)[-1]]
        rows.append([f"{model} / {dataset}", " ".join(told), shown, len(seeds), f"{wide:.2f}", size, name])
    return rows


def method_page(site, card, recipes, runs, short):
    out = [f"# {card['name']}", card["help"] + "."]
    if card.get("paper"):
        paper = card["paper"] + (f", arXiv {card['arxiv']}" if card.get("arxiv") else "")
        out.append(f"*{paper}.* Version {card['version']}; quantizes {card['quantizes']}.")
    out.append((ROOT / "docs/methods" / f"{card['name']}.md").read_text())
    guessed = [o for o in card["options"] if o["help"].startswith("reconstructed")]
    out.append("## What is reconstructed\n")
    out.append("Where the paper gives no value or rule, these options hold our reading:\n\n" +
               table(["option", "default", "what"],
                     [[f"`{o['name']}`", f"`{o['default']}`", o["help"].split(": ", 1)[-1]] for o in guessed])
               if guessed else "No option stands for a value that the paper leaves out, beyond what is said above.\n")
    out.append("## Recipes\n")
    mine = [r for r in recipes if re.search(rf"^method = {card['name']}$", r["text"], re.M)]
    out.append(table(["recipe", "what", "runs"], [[f"`{r['name']}`", r["help"], r["runs"]] for r in mine])
               if mine else "None of its own; it is the other side of most recipes, or see `default`.\n")
    out.append("## Our results\n")
    rows = results_of(runs, card)
    if rows:
        out.append("From [the reference](../results/reference/FORMAT.md): top-1 of the package file on the test split, mean and "
                   "deviation over n seeds. Verdicts against published figures: [Reproduced](../results/REPRODUCED.md)." +
                   (" A recipe that is called short has a shortened schedule and reproduces no row.\n" if short else "\n"))
        out.append(table(["task", "settings", "top-1 %", "n", "weight bits", "bytes", "recipe"], rows))
    else:
        out.append("The reference has none yet.\n")
    out.append("## Options\n")
    out.append(table(["option", "values", "default", "what"],
                     [[f"`{o['name']}`", o["allowed"], f"`{o['default']}`" if o["default"] != "" else "", o["help"]]
                      for o in card["options"]]) if card["options"] else "None.\n")
    site.put(f"methods/{card['name']}.md", "\n\n".join(out))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--program", default=str(ROOT / "build/release/quantbench"))
    parser.add_argument("--out", default=str(ROOT / "build/docs"))
    options = parser.parse_args()
    if shutil.which("mkdocs") is None:
        sys.exit("docs/build.py: there is no mkdocs; scripts/install_deps.sh --docs installs it.")
    work = pathlib.Path(options.out).resolve()
    site = Site(options.program, work)
    reference = str(ROOT / "results/reference")

    for place in PAGES:
        site.put(HANDBOOK if place == "README.md" else place, (ROOT / place).read_text())
    for place in OWN:
        site.put(place, (ROOT / "docs" / place).read_text())
    site.put("results/readme.svg", (ROOT / "results/readme.svg").read_text())
    cards = json.loads(site.ask("list", "methods", "--format", "json"))
    recipes = json.loads(site.ask("list", "recipes", "--format", "json"))
    runs = json.loads(site.ask("export", "--format", "json", "--status", "ok", "--store", reference))
    for card in cards:
        method_page(site, card, recipes, runs, True)
    site.put("methods/index.md", "# Methods\n\n" + table(
        ["method", "what", "paper"],
        [[f"[{c['name']}]({c['name']}.md)", c["help"].split(": ", 1)[-1], f"{c.get('paper') or ''}"] for c in cards]))
    # The page of a store and that of the reference; here they are one.
    site.ask("leaderboard", "--store", reference, "--out", str(site.source / "leaderboard"))
    (site.source / "leaderboard/index.html").rename(site.source / "leaderboard/reference.html")
    for path in sorted(site.source.rglob("*.md")):
        site.link(path.relative_to(site.source).as_posix())

    config = (ROOT / "docs/mkdocs.yml.in").read_text()
    methods = "\n".join(["      - Overview: methods/index.md"] + [f"      - {c['name']}: methods/{c['name']}.md" for c in cards])
    for key, value in (("SOURCE", site.source), ("SITE", work / "site"), ("METHODS", methods)):
        config = config.replace(f"@{key}@", str(value))
    (work / "mkdocs.yml").write_text(config)
    subprocess.run(["mkdocs", "build", "--quiet", "--strict", "--config-file", str(work / "mkdocs.yml")], check=True)
    (work / "site/404.html").unlink()  # its links hold only where the site is a server's root
    print(f"{work / 'site' / 'index.html'}")


if __name__ == "__main__":
    main()
