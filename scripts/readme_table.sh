#!/bin/sh
# Puts the board of ResNet-20 on CIFAR-10 into README.md between its markers, and the plot beside it:
#
#     scripts/readme_table.sh STORE [PROGRAM]
#
# With RUN=yes it first runs, into STORE, what takes about a minute each: the public FP32 weights, and what
# the methods make of them without training, with latency on one thread. Every other run of that task in the
# store takes part, too. STORE may be results/reference, whose files are such runs.
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
store=${1:?usage: scripts/readme_table.sh STORE [PROGRAM]}
program=${2:-$here/build/release/quantbench}
weights=weights/resnet20_cifar10.safetensors

if [ "${RUN:-no}" = yes ]; then
  common="--model=resnet20 --dataset=cifar10 --fp32.weights=$weights --store $store --quiet --skip-done --threads=1"
  # shellcheck disable=SC2086  # words of options
  {
    "$program" run $common --method=fp32
    "$program" run $common --method=uniform --uniform.activation_bits=8 --uniform.weight_bits=8 \
      --uniform.weight_bits=6 --uniform.weight_bits=4 --uniform.weight_bits=3
    for method in hawq hawq_v2; do
      "$program" run $common --method=$method --$method.mode=ptq --$method.activation_bits=8 \
        --$method.weight_bits=6 --$method.weight_bits=4 --$method.weight_bits=3
    done
    "$program" run $common --method=srq_dropbits --srq_dropbits.mode=ptq --srq_dropbits.first_last_bits=8 \
      --srq_dropbits.activation_bits=8 --srq_dropbits.weight_bits=6 --srq_dropbits.weight_bits=4
    "$program" run $common --method=quantization_networks --quantization_networks.mode=ptq \
      --quantization_networks.thresholds=linear --quantization_networks.activation_bits=8 \
      --quantization_networks.weight_bits=6 --quantization_networks.weight_bits=4
    "$program" run $common --method=bsq --train.epochs=0 --bsq.activation_bits=8 --bsq.start_bits=5 \
      --bsq.start_bits=3
    "$program" run $common --method=alq --train.epochs=0 --alq.bases=4
  }
fi

block=$(mktemp)
trap 'rm -f "$block"' EXIT
"$program" leaderboard --format markdown --model=resnet20 --dataset=cifar10 --store "$store" >"$block"
"$program" plot pareto --model=resnet20 --dataset=cifar10 --store "$store" --out "$here/results/readme.svg" >/dev/null

awk -v block="$block" '
  /<!-- results: / { print; print ""; while ((getline line < block) > 0) print line; inside = 1
                     print ""; print "![accuracy over size](results/readme.svg)"; print "" }
  /<!-- end of results -->/ { inside = 0 }
  !inside && !/<!-- results: / { print }
' "$here/README.md" >"$here/README.md.part"
mv "$here/README.md.part" "$here/README.md"
