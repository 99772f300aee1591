#!/bin/sh
# Installs what quantbench is built from, by the names of Debian's packages (12 and later). Does nothing
# when everything is there; otherwise it needs root, or sudo.
#
#     scripts/install_deps.sh          to build, test and run
#     scripts/install_deps.sh --dev    also what `make format`, `make tidy`, `make bench` and `make fuzz` use, and
#                                      SIMDe, against which the tests compile the AVX-512 kernels on any machine
set -eu

packages="build-essential cmake ninja-build make git pkg-config ca-certificates curl
  libtorch-dev libopenblas-dev libopencv-dev libboost-dev libboost-program-options-dev
  libsqlite3-dev libfmt-dev libssl-dev libzip-dev zlib1g-dev nlohmann-json3-dev
  libbenchmark-dev libgtest-dev libgmock-dev python3-minimal python3-numpy"
dev_packages="ccache clang clang-format clang-tidy libclang-rt-dev libomp-dev libdnnl-dev libsimde-dev python3-torch"

case "${1:-}" in
  "") ;;
  --dev) packages="$packages $dev_packages" ;;
  *)
    echo "install_deps.sh knows only the option --dev, not '$1'." >&2
    exit 2
    ;;
esac

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
