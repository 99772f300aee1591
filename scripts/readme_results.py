#!/usr/bin/python3
"""Put the finished runs of a store into README.md: a table between its markers, and a plot beside the store's code.

    scripts/readme_results.py STORE [PROGRAM]

Figures are read from `quantbench runs --format json` and written nowhere by hand.
"""
import json, pathlib, subprocess, sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- results: made by scripts/readme_results.py -->", "<!-- end of results -->"


def runs(store, program):
    text = subprocess.run([program, "runs", "--store", store, "--format", "json", "--status", "ok"],
                          check=True, capture_output=True, text=True).stdout
    return sorted(json.loads(text), key=lambda r: -r["size_bytes"])


def label(store, program, run):
    text = subprocess.run([program, "show", str(run["id"]), "--store", store, "--format", "json"],
                          check=True, capture_output=True, text=True).stdout
    keys = dict(line.split(" = ", 1) for line in json.loads(text)["recipe"].splitlines() if " = " in line)
    if run["method"] != "uniform":
        return run["method"]
    how = "post-training" if keys["uniform.mode"] == "ptq" else "%s, %s epochs" % (keys["uniform.rule"].upper(), keys["train.epochs"])
    return "uniform W%s/A%s, %s" % (keys["uniform.weight_bits"], keys["uniform.activation_bits"], how)


def table(rows):
    out = ["| method (%s on %s, seed %s) | top-1 simulated | top-1 shipped | package bytes | weight bits |" %
           (rows[0][1]["model"], rows[0][1]["dataset"], rows[0][1]["seed"]), "|---|---|---|---|---|"]
    for name, r in rows:
        out.append("| %s | %.2f %% | %.2f %% | %s | %.2f |" % (name, 100 * r["top1_simulated"], 100 * r["top1_shipped"],
                                                               format(r["size_bytes"], ","), r["weight_bits_average"]))
    return "\n".join(out)


def plot(rows):
    """Accuracy over size, an SVG of 640 x 300."""
    sizes = [r["size_bytes"] / 1000 for _, r in rows]
    tops = [100 * r["top1_shipped"] for _, r in rows]
    low, high, widest = min(tops) - 2, max(tops) + 2, max(sizes) * 1.05
    x = lambda s: 60 + 560 * s / widest
    y = lambda t: 260 - 240 * (t - low) / (high - low)
    out = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 300" font-family="sans-serif" font-size="12">',
           '<rect width="640" height="300" fill="white"/>',
           '<path d="M60 20V260H620" fill="none" stroke="black"/>',
           '<text x="340" y="292" text-anchor="middle">package file, kB</text>',
           '<text x="16" y="140" text-anchor="middle" transform="rotate(-90 16 140)">top-1 shipped, %</text>']
    for k in range(6):
        s, t = widest * k / 5, low + (high - low) * k / 5
        out.append('<text x="%.0f" y="275" text-anchor="middle">%.0f</text>' % (x(s), s))
        out.append('<text x="54" y="%.0f" text-anchor="end">%.1f</text>' % (y(t) + 4, t))
    for (name, _), s, t in zip(rows, sizes, tops):
        end = x(s) > 400
        out.append('<circle cx="%.1f" cy="%.1f" r="4" fill="#1f5fa8"/>' % (x(s), y(t)))
        out.append('<text x="%.1f" y="%.1f" text-anchor="%s">%s</text>' % (x(s) + (-8 if end else 8), y(t) + 4, "end" if end else "start", name))
    return "\n".join(out + ["</svg>", ""])


def main():
    store = sys.argv[1]
    program = sys.argv[2] if len(sys.argv) > 2 else str(ROOT / "build/release/quantbench")
    rows = [(label(store, program, r), r) for r in runs(store, program)]
    readme = ROOT / "README.md"
    text = readme.read_text()
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    body = "%s\n\n%s\n\n![accuracy over size](results/readme.svg)\n\n%s" % (BEGIN, table(rows), END)
    readme.write_text(before + body + after)
    (ROOT / "results/readme.svg").write_text(plot(rows))


if __name__ == "__main__":
    main()
