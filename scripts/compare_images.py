#!/usr/bin/python3
"""Images a second of measure_images beside the same pipeline in Python, with OpenCV and with PIL.

    compare_images.py MEASURE_IMAGES FOLDER [--processes 2] [--rounds 5]

FOLDER holds one folder of JPEGs a class. Training: a random resized crop of 224, mirrored in half of the cases; evaluation:
shorter side 256, centre crop 224; both as float32 planes, normalised, in batches of 50. Python works in PROCESSES processes,
each on its share of the files and without sending anything back; measure_images in as many threads. The contestants take turns;
what is printed are medians over the rounds, and of each round's ratios. Needs python3-opencv, python3-pil and python3-numpy.
"""
import argparse
import json
import math
import multiprocessing
import pathlib
import random
import statistics
import subprocess
import time

import cv2
import numpy
import PIL
from PIL import Image

MEAN = numpy.array([0.485, 0.456, 0.406], numpy.float32)
DEVIATION = numpy.array([0.229, 0.224, 0.225], numpy.float32)
CROP, RESIZE, BATCH = 224, 256, 50


def random_box(width, height):
    for _ in range(10):
        area = random.uniform(0.08, 1) * width * height
        ratio = math.exp(random.uniform(math.log(3 / 4), math.log(4 / 3)))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            return random.randint(0, width - w), random.randint(0, height - h), w, h
    w, h = min(width, round(height * 4 / 3)), min(height, round(width * 4 / 3))
    return (width - w) // 2, (height - h) // 2, w, h


def shorter_side(width, height):
    factor = RESIZE / min(width, height)
    return max(RESIZE, round(width * factor)), max(RESIZE, round(height * factor))


def with_opencv(path, train):
    image = cv2.imread(str(path), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    height, width = image.shape[:2]
    if train:
        x, y, w, h = random_box(width, height)
        how = cv2.INTER_AREA if w >= CROP and h >= CROP else cv2.INTER_LINEAR
        image = cv2.resize(image[y : y + h, x : x + w], (CROP, CROP), interpolation=how)
        if random.random() < 0.5:
            image = cv2.flip(image, 1)
    else:
        size = shorter_side(width, height)
        how = cv2.INTER_AREA if size[0] <= width else cv2.INTER_LINEAR
        image = cv2.resize(image, size, interpolation=how)
        y, x = (image.shape[0] - CROP) // 2, (image.shape[1] - CROP) // 2
        image = image[y : y + CROP, x : x + CROP]
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def with_pil(path, train):
    image = Image.open(path).convert("RGB")
    if train:
        x, y, w, h = random_box(*image.size)
        image = image.resize((CROP, CROP), Image.BILINEAR, box=(x, y, x + w, y + h))
        if random.random() < 0.5:
            image = image.transpose(Image.FLIP_LEFT_RIGHT)
    else:
        image = image.resize(shorter_side(*image.size), Image.BILINEAR)
        x, y = (image.width - CROP) // 2, (image.height - CROP) // 2
        image = image.crop((x, y, x + CROP, y + CROP))
    return numpy.asarray(image)


def work(paths, read, train):
    cv2.setNumThreads(1)
    for first in range(0, len(paths), BATCH):
        batch = [(read(path, train).astype(numpy.float32) / 255 - MEAN) / DEVIATION for path in paths[first : first + BATCH]]
        numpy.ascontiguousarray(numpy.stack(batch).transpose(0, 3, 1, 2))


def python_rate(paths, read, train, processes, epochs):
    shares = [(paths[i::processes] * epochs, read, train) for i in range(processes)]
    with multiprocessing.Pool(processes) as pool:
        pool.starmap(work, [(share[:2], how, kind) for share, how, kind in shares])  # processes and libraries are there now
        start = time.monotonic()
        pool.starmap(work, shares, chunksize=1)
        return epochs * len(paths) / (time.monotonic() - start)


def our_rate(program, folder, train, threads, epochs, *options):
    command = [program, folder, "train" if train else "evaluate", str(threads), str(epochs + 1), *options]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    rates = [json.loads(line)["images_per_second"] for line in lines[1:]]  # the first one warms up
    return len(rates) / sum(1 / rate for rate in rates)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("folder")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=2)
    given = parser.parse_args()
    paths = sorted(path for path in pathlib.Path(given.folder).glob("*/*") if path.is_file())
    for train in True, False:
        def ours(*options):
            return our_rate(given.program, str(pathlib.Path(given.folder).resolve()), train, given.processes, given.epochs,
                            *options)

        rates = {"quantbench": [], "quantbench, whole JPEGs": [], "OpenCV": [], "PIL": []}
        for _ in range(given.rounds):
            rates["quantbench"].append(ours())
            rates["quantbench, whole JPEGs"].append(ours("reduced_decoding=never"))
            for name, read in ("OpenCV", with_opencv), ("PIL", with_pil):
                rates[name].append(python_rate(paths, read, train, given.processes, given.epochs))
        print(f"{'training' if train else 'evaluation'}, {len(paths)} images, {given.processes} threads or processes, "
              f"OpenCV {cv2.__version__}, PIL {PIL.__version__}")
        for name, found in rates.items():
            ratio = statistics.median(a / b for a, b in zip(rates["quantbench"], found))
            print(f"  {name:24} {statistics.median(found):8.1f} images/s; quantbench over it {ratio:.2f}")


if __name__ == "__main__":
    main()
