#!/bin/sh
# Installs what quantbench is built from, by the names of Debian's packages (12 and later). Does nothing
# when everything is there; otherwise it needs root, or sudo.
#
#     scripts/install_deps.sh          to build, test and run
#     scripts/install_deps.sh --dev    also what `make format`, `make tidy`, `make bench` and `make fuzz` use, and
#                                      SIMDe, against which the tests compile the AVX-512 kernels on any machine,
#                                      and LaTeX, with which they compile tables
#     scripts/install_deps.sh --peers  also what results are compared with: ONNX Runtime (from the npm registry, into
#                                      .cache/peers) and ONNX's own checker
#     scripts/install_deps.sh --slurm  also a Slurm of one machine, with which scripts/slurm is tested
#     scripts/install_deps.sh --docs   also MkDocs, of which `make docs` makes the documentation site
set -eu

packages="build-essential cmake ninja-build make git pkg-config ca-certificates curl
  libtorch-dev libopenblas-dev libopencv-dev libjpeg-dev libboost-dev libboost-program-options-dev
  libsqlite3-dev libfmt-dev libssl-dev libzip-dev zlib1g-dev nlohmann-json3-dev libonnx-dev libprotobuf-dev libgloo-dev
  libbenchmark-dev libgtest-dev libgmock-dev python3-minimal python3-numpy gnuplot-nox"
peer_packages="python3-onnx"
dev_packages="ccache clang clang-format clang-tidy libclang-rt-dev libomp-dev libdnnl-dev libsimde-dev python3-torch
  texlive-latex-base texlive-latex-recommended"

slurm_packages="munge slurmctld slurmd slurm-client"
docs_packages="mkdocs mkdocs-material"

peers=no
for option; do
  case "$option" in
    --dev) packages="$packages $dev_packages" ;;
    --peers) peers=yes ;;
    --slurm) packages="$packages $slurm_packages" ;;
    --docs) packages="$packages $docs_packages" ;;
    *)
      echo "install_deps.sh knows the options --dev, --peers, --slurm and --docs, not '$option'." >&2
      exit 2
      ;;
  esac
done

if ! command -v dpkg-query >/dev/null; then
  echo "This is not Debian; install the counterparts of these packages by hand:" $packages >&2
  exit 1
fi

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    echo "This needs root, and there is no sudo. Run as root: $*" >&2
    exit 1
  fi
}

# The leaderboard's page needs these to be bundled and tested; ones from elsewhere will do as well.
command -v npm >/dev/null || packages="$packages nodejs npm"
command -v chromium >/dev/null || packages="$packages chromium"

missing=""
for package in $packages; do
  status=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$status" = installed ] || missing="$missing $package"
done
if [ -n "$missing" ]; then
  echo "Installing:$missing"
  as_root apt-get update -q
  as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -q -y --no-install-recommends $missing
fi

# LibTorch multiplies matrices with whatever BLAS the system prefers; the reference one is many times
# slower than OpenBLAS.
triplet=$(gcc -print-multiarch)
for library in libblas.so.3 liblapack.so.3; do
  name="$library-$triplet"
  case "$(update-alternatives --query "$name" | sed -n 's/^Value: //p')" in
    *openblas*) ;;
    *)
      openblas=$(update-alternatives --list "$name" | grep -m 1 openblas)
      as_root update-alternatives --set "$name" "$openblas"
      ;;
  esac
done

# A peer that cannot be had is no reason to stop: its tests say that it is missing.
if [ "$peers" = yes ]; then
  dpkg-query -W -f='${db:Status-Status}' $peer_packages >/dev/null 2>&1 ||
    { as_root apt-get update -q && as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends $peer_packages; } ||
    echo "install_deps.sh: no $peer_packages; the tests that need it will be skipped." >&2
  here=$(cd "$(dirname "$0")" && pwd)
  folder="$here/../.cache/peers"
  if ! cmp -s "$here/peers/package-lock.json" "$folder/package-lock.json"; then
    mkdir -p "$folder"
    cp "$here/peers/package.json" "$folder/"
    if (cd "$folder" && cp "$here/peers/package-lock.json" . &&
        npm ci --ignore-scripts --no-audit --no-fund); then
      # 250 MB for machines that these scripts do not run on.
      rm -rf "$folder"/node_modules/onnxruntime-node/bin/*/darwin \
        "$folder"/node_modules/onnxruntime-node/bin/*/win32
    else
      rm -f "$folder/package-lock.json"
      echo "install_deps.sh: no ONNX Runtime; the tests that need it will be skipped." >&2
    fi
  fi
fi
