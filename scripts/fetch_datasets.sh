#!/usr/bin/env bash
# Downloads the official files of data sets, checks them and lays them out as quantbench reads them.
#
#   scripts/fetch_datasets.sh [--dest DIR] [--base URL] NAME...
#
#   NAME    cifar10 cifar100 mnist cora citeseer pubmed, or tu:COLLECTION (tu:REDDIT-BINARY, tu:MUTAG, ...)
#   --dest  where to (default: $QUANTBENCH_DATA, else ./data)
#   --base  another place that holds the same files, e.g. file:///mnt/mirror
#
# What is already there is kept. A download that was cut off is continued by the next call. Files appear
# under their final name only when whole and checked. QUANTBENCH_CHECKSUMS=FILE replaces the table of
# checksums below (lines "md5:HEX NAME" or "sha256:HEX NAME").
set -euo pipefail

checksums() {
  if [[ -n ${QUANTBENCH_CHECKSUMS:-} ]]; then
    cat -- "$QUANTBENCH_CHECKSUMS"
    return
  fi
  # CIFAR and MNIST: as published with the files. Planetoid publishes none: these were computed from
  # the files of the repository; none is known for PubMed.
  cat <<'TABLE'
md5:c32a1d4ab5d03f1284b67883e8d87530 cifar-10-binary.tar.gz
md5:03b5dce01913d631647c71ecec9e9cb8 cifar-100-binary.tar.gz
md5:f68b3c2dcbeaaa9fbdd348bbdeb94873 train-images-idx3-ubyte.gz
md5:d53e105ee54ea40749a09fcbcd1e9432 train-labels-idx1-ubyte.gz
md5:9fb629c4189551a2d022fa330f9573f3 t10k-images-idx3-ubyte.gz
md5:ec29112dd5afa0611ce80d1b7f02629c t10k-labels-idx1-ubyte.gz
sha256:23cfa55d91c6f624233f5eb7b6e3f141f1bd2b2ae39608a63cf5d084bb27baab ind.cora.x
sha256:b9afbaa4a400df991f6f02ef677e1e44da55ffc04801fd02f9e673987829226a ind.cora.tx
sha256:9419ba2f26f5c35243db64aba110e0f35a04851609e0dc5433450676ca6b8543 ind.cora.allx
sha256:94465c14eb53e04ca262198dcbb2521ee8af60fb3f3d546cd6ca24a511b0e7d1 ind.cora.y
sha256:41f5ac76596a1699cc33f53084a2419e92961c42bb75f36fc38e616d348532ad ind.cora.ty
sha256:2b998f5cc7fedc86e7f97ca2498f47a1ffc1462c29e2d578b23bf3f62b6e7d71 ind.cora.ally
sha256:58f13302f39dde8852dad6fe6d15b89b077b6d7f837626bce671ef80344b383d ind.cora.graph
sha256:297ce89af2b51a6a194181c7dbe1796c6a1cf9cd9349a88383b1b1e227867875 ind.cora.test.index
sha256:d20de19150741e555de0ed037195630fc194114ebc7fd72ced62810148aa22f6 ind.citeseer.x
sha256:539a8906a2da97628d212f2fdd668c109a8b3f0d36574b59e5d3fd5b5303da21 ind.citeseer.tx
sha256:2ac30345d95c9ec933a817ee0bdd6a5f077f8c184a20e696910192d534414668 ind.citeseer.allx
sha256:8ba87e515d8e3ee3cf52f6d2c5b86aa73f11ecad825a808455209ec26cd54924 ind.citeseer.y
sha256:55e5bd1ba1e733a04598753ad1a8d57957f4b8f89e74519f41f4f4938767e4ce ind.citeseer.ty
sha256:f704b2d986dde6c2669934de1f3ae5696a6cf9455c0f6b2646a2d135ea0a1c95 ind.citeseer.ally
sha256:d79a4ef9d3e7169aee8946145f6b7306e35bc79bffad26346cfb94e10e9912a7 ind.citeseer.graph
sha256:2af990671580b6b2df5d158d1038f8292e30c9cd821b5453f399659b25b723d4 ind.citeseer.test.index
TABLE
}

usage() { sed -n '2,13s/^# \{0,1\}//p' "$0"; }

die() {
  echo "fetch_datasets: $*" >&2
  exit 1
}

# check FILE NAME: its checksum, or with none known its structure.
check() {
  local file=$1 name=$2 entry
  entry=$(checksums | awk -v name="$name" '$2 == name { print $1 }')
  case $entry in
    md5:*) [[ $(md5sum <"$file" | cut -d' ' -f1) == "${entry#md5:}" ]] ;;
    sha256:*) [[ $(sha256sum <"$file" | cut -d' ' -f1) == "${entry#sha256:}" ]] ;;
    '') check_structure "$file" "$name" ;;
    *) die "the checksum table has '$entry' for $name; it should begin with md5: or sha256:." ;;
  esac
}

# A file without a known checksum. Planetoid: a list of numbers, or one pickle from start to stop; TU: a
# zip archive.
check_structure() {
  local file=$1 name=$2
  case $name in
    ind.*.test.index) [[ -s $file ]] && ! grep -qvE '^[0-9]+$' "$file" ;;
    ind.*)
      [[ $(head -c 1 "$file" | od -An -tx1 | tr -d ' ') == 80 &&
        $(tail -c 1 "$file") == . ]]
      ;;
    *.zip) [[ $(head -c 2 "$file") == PK ]] ;;
    *) die "there is no checksum for $name in the table; add one." ;;
  esac || return 1
  echo "  $name: no checksum is known; only its structure was checked."
}

# transfer URL PART: goes on where PART ends; where that cannot be done, from the start.
transfer() {
  local options=(--fail --location --silent --show-error --retry 3 --output "$2") code=0
  curl "${options[@]}" --continue-at - "$1" || code=$?
  case $code in
    22 | 33 | 36) # HTTP error (416 for a part that is too long), no ranges, bad offset
      [[ -s $2 ]] || return 1
      rm -f -- "$2"
      curl "${options[@]}" "$1"
      ;;
    *) return "$code" ;;
  esac
}

# download URL NAME TARGET: to TARGET, by way of TARGET.part.
download() {
  local url=$1 name=$2 target=$3
  if [[ -e $target ]]; then
    check "$target" "$name" ||
      die "$target is there, but is not the file it should be; remove it and try again."
    return
  fi
  mkdir -p -- "$(dirname -- "$target")" || die "cannot make a folder for $target."
  echo "  $url"
  transfer "$url" "$target.part" ||
    die "cannot download $url; what arrived is kept, and the next call goes on from there."
  if ! check "$target.part" "$name"; then
    rm -f -- "$target.part"
    die "$url is not the file it should be (wrong checksum) and was removed; try again, or another --base."
  fi
  mv -- "$target.part" "$target"
}

# An archive that unpacks to one folder.
fetch_archive() {
  local url_base=$1 archive=$2 folder=$3
  if [[ -d $dest/$folder ]]; then
    echo "  $dest/$folder is already there."
    return
  fi
  download "${base:-$url_base}/$archive" "$archive" "$dest/$archive"
  unpacked=$(mktemp -d -- "$dest/.unpack-XXXXXX")
  tar -xzf "$dest/$archive" -C "$unpacked" --no-same-owner ||
    die "$dest/$archive cannot be unpacked; is the disk full?"
  [[ -d $unpacked/$folder ]] || die "$dest/$archive does not hold the folder $folder."
  mv -- "$unpacked/$folder" "$dest/$folder"
  rm -f -- "$dest/$archive"
  rm -rf -- "$unpacked"
}

fetch_mnist() {
  local name
  for name in train-images-idx3 train-labels-idx1 t10k-images-idx3 t10k-labels-idx1; do
    if [[ -e $dest/MNIST/raw/$name-ubyte ]]; then
      echo "  $dest/MNIST/raw/$name-ubyte is already there."
      continue
    fi
    download "${base:-https://ossci-datasets.s3.amazonaws.com/mnist}/$name-ubyte.gz" \
      "$name-ubyte.gz" "$dest/MNIST/raw/$name-ubyte.gz"
  done
}

fetch_planetoid() {
  local graph=$1 part
  for part in x tx allx y ty ally graph test.index; do
    download "${base:-https://github.com/kimiyoung/planetoid/raw/master/data}/ind.$graph.$part" \
      "ind.$graph.$part" "$dest/planetoid/$graph/raw/ind.$graph.$part"
  done
}

unzip_to() {
  if command -v unzip >/dev/null; then unzip -q "$1" -d "$2"; else python3 -m zipfile -e "$1" "$2"; fi
}

fetch_tu() {
  local name=$1 folder=$dest/TUDataset/$1
  if [[ -d $folder/raw ]]; then
    echo "  $folder/raw is already there."
    return
  fi
  download "${base:-https://www.chrsmrrs.com/graphkerneldatasets}/$name.zip" "$name.zip" "$dest/$name.zip"
  unpacked=$(mktemp -d -- "$dest/.unpack-XXXXXX")
  unzip_to "$dest/$name.zip" "$unpacked" ||
    die "$dest/$name.zip cannot be unpacked; is the disk full, or are unzip and python3 missing?"
  [[ -f $unpacked/$name/${name}_A.txt ]] || die "$dest/$name.zip does not hold $name/${name}_A.txt."
  mkdir -p -- "$folder"
  mv -- "$unpacked/$name" "$folder/raw"
  rm -f -- "$dest/$name.zip"
  rm -rf -- "$unpacked"
}

dest=${QUANTBENCH_DATA:-data}
base=
unpacked=
trap '[[ -z $unpacked ]] || rm -rf -- "$unpacked"' EXIT
names=()
while (($#)); do
  case $1 in
    --dest | --base)
      (($# >= 2)) || die "$1 needs a value."
      if [[ $1 == --dest ]]; then dest=$2; else base=${2%/}; fi
      shift
      ;;
    -h | --help)
      usage
      exit
      ;;
    cifar10 | cifar100 | mnist | cora | citeseer | pubmed) names+=("$1") ;;
    tu:*)
      [[ ${1#tu:} =~ ^[A-Za-z0-9_-]+$ ]] || die "'$1' does not name a collection (tu:MUTAG does)."
      names+=("$1")
      ;;
    *) die "'$1' is not known; there are cifar10, cifar100, mnist, cora, citeseer, pubmed and tu:COLLECTION." ;;
  esac
  shift
done
((${#names[@]})) || {
  usage >&2
  exit 2
}
command -v curl >/dev/null || die "curl is missing; install it (apt-get install curl)."
mkdir -p -- "$dest" || die "cannot make the folder $dest."

for name in "${names[@]}"; do
  echo "$name"
  case $name in
    cifar10) fetch_archive https://www.cs.toronto.edu/~kriz cifar-10-binary.tar.gz cifar-10-batches-bin ;;
    cifar100) fetch_archive https://www.cs.toronto.edu/~kriz cifar-100-binary.tar.gz cifar-100-binary ;;
    mnist) fetch_mnist ;;
    tu:*) fetch_tu "${name#tu:}" ;;
    *) fetch_planetoid "$name" ;;
  esac
done
